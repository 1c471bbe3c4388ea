//! `orchd-fake github`

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::Local;
use clap::Args;
use orchd_fake::github::config::Webhook;
use orchd_fake::{AppKey, Config, GitHub};

use super::play::{self, REPOSITORIES};

#[derive(Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Write the private key of the App here (PEM, readable by you alone)
    #[arg(long)]
    app_key_out: Option<PathBuf>,
    /// Id of the App
    #[arg(long, default_value_t = 12_345)]
    app_id: i64,
    /// Deliver webhooks to this URL
    #[arg(long, requires = "webhook_secret_file")]
    webhook_url: Option<String>,
    /// File with the webhook secret
    #[arg(long)]
    webhook_secret_file: Option<PathBuf>,
    /// Decides ids, GUIDs and the story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let people work on it until stopped
    #[arg(long, requires = "webhook_url")]
    play: bool,
    /// Play a short fixed story, wait until the App is done, and exit
    #[arg(long, requires = "webhook_url", conflicts_with = "play")]
    once: bool,
    /// Steps of the story a second [default: 1.5; with --once 5]
    #[arg(long)]
    rate: Option<f64>,
    /// With --once: how many changes the App must make before quiet counts as done
    #[arg(long, default_value_t = 1)]
    expect_effects: usize,
    /// With --once: give up after this many seconds without the expected changes
    #[arg(long, default_value_t = 30)]
    patience: u64,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let key = AppKey::generate();
    if let Some(path) = &options.app_key_out {
        write_secret(path, key.pem()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let webhook = match (&options.webhook_url, &options.webhook_secret_file) {
        (Some(url), Some(file)) => Some(Webhook { url: url.clone(), secret: super::secret_from(file)? }),
        _ => None,
    };
    let config =
        Config { seed: options.seed, port: options.port, app_id: options.app_id, key, webhook, ..Config::default() };
    let github = GitHub::start_with(config).await.context("the simulated GitHub cannot listen")?;
    github.install("acme", &REPOSITORIES);
    for repository in REPOSITORIES {
        play::PEOPLE.iter().for_each(|login| github.add_collaborator(repository, login));
    }
    println!("simulated GitHub on {}", github.url());
    let narrator = tokio::spawn(narrate(github.clone()));
    if options.once {
        play_once(&github, &options).await?;
    } else {
        tokio::select! {
            () = play_on(&github, &options) => {}
            stopped = tokio::signal::ctrl_c() => stopped?,
        }
    }
    narrator.abort();
    Ok(())
}

async fn play_on(github: &GitHub, options: &Options) {
    match &options.webhook_url {
        Some(url) if options.play => {
            await_listener(url, Duration::MAX).await;
            play::forever(github, options.seed, pace(options.rate.unwrap_or(1.5))).await;
        }
        _ => std::future::pending().await,
    }
}

async fn play_once(github: &GitHub, options: &Options) -> anyhow::Result<()> {
    let patience = Duration::from_secs(options.patience);
    let url = options.webhook_url.as_deref().unwrap_or_default();
    if !await_listener(url, patience).await {
        bail!("nothing listens at {url}");
    }
    play::once(github, pace(options.rate.unwrap_or(5.0))).await;
    let mut news = github.news();
    let expected = async {
        while github.app_effects().len() < options.expect_effects {
            let _ = news.changed().await;
        }
    };
    if tokio::time::timeout(patience, expected).await.is_err() {
        let seen = github.app_effects().len();
        bail!("the App made {seen} of {} expected changes within {} s", options.expect_effects, options.patience);
    }
    github.until_quiet(Duration::from_secs(1)).await;
    Ok(())
}

fn pace(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate.clamp(0.01, 1_000.0))
}

/// Waits until something accepts connections where webhooks go.
async fn await_listener(url: &str, patience: Duration) -> bool {
    let place = url.parse::<http::Uri>().ok().and_then(|uri| {
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(default)))
    });
    let Some((host, port)) = place else { return false };
    let connect = async {
        while tokio::net::TcpStream::connect((host.as_str(), port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(patience, connect).await.is_ok()
}

/// One line for each thing a person does, one, set in, for each change the App makes, one for each lost delivery.
async fn narrate(github: GitHub) {
    let mut news = github.news();
    let (mut seen, mut attempts) = (0, 0);
    loop {
        let now = Local::now().format("%H:%M:%S");
        for effect in github.effects_since(seen) {
            seen += 1;
            println!("{now} {}{effect}", if effect.by_app { "  " } else { "" });
        }
        let (count, failed) = github.failed_deliveries_since(attempts);
        attempts = count;
        for (delivery, status) in failed {
            eprintln!("{now} ! delivery of {} {} failed: {status}", delivery.event, delivery.guid);
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
