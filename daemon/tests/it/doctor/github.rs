//! Faults at GitHub: the clock between us, the App's settings, its installations, its deliveries.

use orchd_fake::GitHub;
use serde_json::json;

use super::{examine, permissions, well};
use crate::story::{Database, SECRET, Story, WEB};

/// A fault at GitHub, how it is mended, and what the doctor says of it.
struct Planted {
    plant: fn(&Story),
    mend: fn(&Story),
    check: &'static str,
    told: &'static str,
    advice: &'static str,
}

fn installation(github: &GitHub) -> i64 {
    github.installation_of(WEB)
}

const PLANTED: &[Planted] = &[
    Planted {
        plant: |story| story.github.set_clock_ahead(300),
        mend: |story| story.github.set_clock_ahead(0),
        check: "clock",
        told: "s behind GitHub's: at 9 minutes GitHub refuses what the App signs",
        advice: "timedatectl set-ntp true",
    },
    Planted {
        plant: |story| story.github.set_clock_ahead(-120),
        mend: |story| story.github.set_clock_ahead(0),
        check: "clock",
        told: "s ahead of GitHub's: GitHub refuses what the App signs",
        advice: "timedatectl set-ntp true",
    },
    Planted {
        plant: |story| story.github.show_webhook_url(Some("https://old.example.com/webhooks/github")),
        mend: |story| story.github.show_webhook_url(Some(&hook(story))),
        check: "app webhook",
        told: "the App delivers to https://old.example.com/webhooks/github, not to https://localhost:",
        advice: "/settings/apps/orchd: set Webhook URL to https://localhost:",
    },
    Planted {
        plant: |story| story.github.show_webhook_as_insecure(true),
        mend: |story| story.github.show_webhook_as_insecure(false),
        check: "app webhook",
        told: "insecure_ssl is 1",
        advice: "/settings/apps/orchd: SSL verification, Enable",
    },
    Planted {
        plant: |story| {
            let read = json!({"issues": "write", "metadata": "read", "pull_requests": "read"});
            story.github.grant(installation(&story.github), "alice", &read);
        },
        mend: |story| story.github.grant(installation(&story.github), "alice", &permissions()),
        check: "permissions",
        told: "the installation on acme does not grant pull_requests: write, which docs-label needs",
        advice: "/organizations/acme/settings/installations/",
    },
    Planted {
        plant: |story| story.github.ask_for_permissions(&json!({"issues": "write", "metadata": "read"})),
        mend: |story| story.github.ask_for_permissions(&permissions()),
        check: "permissions",
        told: "the App does not ask for pull_requests: write, which docs-label needs",
        advice: "/organizations/acme/settings/apps/orchd/permissions: pull_requests: write",
    },
    Planted {
        plant: |story| story.github.subscribe(&["issues", "push", "repository"]),
        mend: |story| story.github.subscribe(&["issues", "pull_request", "push", "repository"]),
        check: "events",
        told: "the App does not subscribe to pull_request, for which docs-label waits",
        advice: "/settings/apps/orchd/permissions: Subscribe to events, pull_request",
    },
    Planted {
        plant: |story| story.github.suspend(installation(&story.github), "alice"),
        mend: |story| story.github.unsuspend(suspended(story), "alice"),
        check: "installations",
        told: "the installation on acme is suspended",
        advice: "/organizations/acme/settings/installations/",
    },
    Planted {
        plant: |story| story.github.set_webhook(&deliveries(story), "another secret"),
        mend: |story| story.github.set_webhook(&deliveries(story), SECRET),
        check: "deliveries",
        told: "orchd answered 401: the App's webhook secret is none of github.webhook_secrets",
        advice: "set the same secret at http",
    },
    Planted {
        plant: |story| story.github.go_down(),
        mend: |story| story.github.come_back(),
        check: "github",
        told: "takes no connection on port",
        advice: "let this machine out to 127.0.0.1:",
    },
    Planted {
        plant: |story| story.github.uninstall_silently(installation(&story.github)),
        mend: |story| {
            story.github.install("acme", &[WEB]);
        },
        check: "installations",
        told: "the App orchd is installed nowhere",
        advice: "/organizations/acme/settings/apps/orchd/installations",
    },
];

/// As the world outside names it.
fn hook(story: &Story) -> String {
    let public = story.server.lines().find_map(|line| line.trim().strip_prefix("public_url: "));
    format!("{}/webhooks/github", public.unwrap())
}

/// Where the fake really delivers.
fn deliveries(story: &Story) -> String {
    format!("{}/webhooks/github", story.url())
}

/// There is one installation, and nothing covers a repository while it is suspended.
fn suspended(story: &Story) -> i64 {
    let effects = story.github.requests();
    let path = effects.iter().rev().find_map(|request| request.path.strip_prefix("/app/installations/"));
    path.and_then(|rest| rest.split('/').next()?.parse().ok()).unwrap()
}

#[tokio::test]
async fn each_fault_at_github_is_found_alone_and_gone_once_it_is_mended() {
    let story = well(Database::Sqlite).await;
    // So that the number of the installation is known by what was asked.
    assert_eq!(examine(&story, &[]).await.code, Some(0));
    for Planted { plant, mend, check, told, advice } in PLANTED {
        plant(&story);
        if *check == "deliveries" {
            story.github.ping();
            story.github.until_delivered().await;
        }
        examine(&story, &[]).await.is_alone(check, told, advice);
        mend(&story);
        if *check == "deliveries" {
            story.github.forget_deliveries();
        }
        let address = story.github.url();
        let address = address.trim_start_matches("http://");
        story.until("GitHub is there", |_| std::net::TcpStream::connect(address).is_ok()).await;
        let mended = examine(&story, &[]).await;
        assert!(mended.in_state("fault").is_empty(), "{check} is mended: {mended:#?}");
    }
}

#[tokio::test]
async fn a_quota_that_is_nearly_used_up_is_worth_a_look_and_no_fault() {
    let story = well(Database::Sqlite).await;
    let hour = std::time::Duration::from_secs(3_000);
    story.github.set_remaining(installation(&story.github), 40, hour);
    let report = examine(&story, &[]).await;
    assert_eq!((report.code, report.in_state("warning")), (Some(0), vec!["quota"]), "{report:#?}");
    let told = report.findings["quota"]["told"].as_str().unwrap();
    assert!(told.starts_with("acme has ") && told.contains(" of 5000 requests left until "), "{told}");
}
