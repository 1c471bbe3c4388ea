//! `orchd-fake send`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use orchd_fake::{payload, seed::Seed, sign_webhook};
use serde_json::Value;

#[derive(Args)]
pub(crate) struct Options {
    /// Webhook URL of orchd
    #[arg(long)]
    url: String,
    /// File with the webhook secret
    #[arg(long)]
    secret_file: PathBuf,
    /// How many deliveries
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// How many at a time
    #[arg(long, default_value_t = 16)]
    concurrency: u64,
    /// Decides payloads and GUIDs: the same seed again sends duplicates
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<String, u64>,
    latencies: Vec<Duration>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let secret = super::secret_from(&options.secret_file)?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let workers = (0..options.concurrency.max(1)).map(|_| {
        let (client, next, secret, url) = (client.clone(), Arc::clone(&next), secret.clone(), options.url.clone());
        let (count, seed) = (options.count, options.seed);
        tokio::spawn(async move {
            let mut tally = Tally::default();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return tally;
                }
                let (outcome, latency) = post(&client, &url, &secret, seed.wrapping_add(index)).await;
                *tally.outcomes.entry(outcome).or_default() += 1;
                tally.latencies.push(latency);
            }
        })
    });
    let mut total = Tally::default();
    for worker in workers.collect::<Vec<_>>() {
        let tally = worker.await?;
        total.latencies.extend(tally.latencies);
        for (outcome, count) in tally.outcomes {
            *total.outcomes.entry(outcome).or_default() += count;
        }
    }
    report(total, started.elapsed());
    Ok(())
}

async fn post(client: &reqwest::Client, url: &str, secret: &str, seed: u64) -> (String, Duration) {
    let (event, value) = payload::sample(seed);
    let body = payload::to_github_json(&value);
    let request = client
        .post(url)
        .header("Content-Type", "application/json")
        .header("User-Agent", "GitHub-Hookshot/0a1b2c3")
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", Seed::new(seed).guid())
        .header("X-Hub-Signature-256", sign_webhook(secret, body.as_bytes()))
        .body(body);
    let started = Instant::now();
    let outcome = match request.send().await {
        Err(error) if error.is_timeout() => "error: timed out".to_owned(),
        Err(_) => "error: connection".to_owned(),
        Ok(answer) if answer.status().is_success() => {
            let body: Value = answer.json().await.unwrap_or(Value::Null);
            body["status"].as_str().unwrap_or("accepted").to_owned()
        }
        Ok(answer) => format!("error: {}", answer.status()),
    };
    (outcome, started.elapsed())
}

fn report(mut total: Tally, elapsed: Duration) {
    for (outcome, count) in &total.outcomes {
        println!("{outcome:<24} {count}");
    }
    total.latencies.sort_unstable();
    let count = total.latencies.len();
    let at = |percent: usize| total.latencies.get((count * percent / 100).min(count.saturating_sub(1)));
    let show = |name: &str, value: Option<&Duration>| {
        if let Some(value) = value {
            println!("{name:<24} {:.2} ms", value.as_secs_f64() * 1_000.0);
        }
    };
    show("latency p50", at(50));
    show("latency p90", at(90));
    show("latency p99", at(99));
    show("latency max", total.latencies.last());
    println!("{:<24} {:.0}/s", "rate", count as f64 / elapsed.as_secs_f64().max(1e-9));
}
