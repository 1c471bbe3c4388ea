//! The whole way: from nothing to a green list, and on to a daemon that takes what the App sends.

use super::{SECRETS, Stage, read, unescaped, until};

#[tokio::test]
async fn from_nothing_to_a_green_list_and_a_daemon_that_takes_deliveries() {
    let stage = Stage::set().await;
    let mut run = stage.run(&["--repositories", "mona/*"]).await;

    let page = run.get("/setup").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("form-action 'self' {};", stage.github.url())), "{policy}");
    assert!(page.body.contains("Create the App on GitHub") && !page.body.contains("<script>"), "{}", page.body);
    let manifest: serde_json::Value = serde_json::from_str(&unescaped(page.field("manifest").unwrap())).unwrap();
    let expected = serde_json::json!({"issues": "write", "metadata": "read", "pull_requests": "write"});
    assert_eq!(manifest["default_permissions"], expected);
    assert_eq!(manifest["default_events"], serde_json::json!(["issues", "pull_request", "repository"]));
    assert_eq!(manifest["hook_attributes"]["url"], format!("{}/webhooks/github", stage.url()));

    let back = stage.make_app(&mut run).await;
    let page = run.get(&back).await;
    assert_eq!((page.status, page.location()), (303, Some("/setup")), "{page:?}");
    run.until_page_says("Install the App on GitHub").await;
    stage.install().await;
    let page = run.until_page_says("All is well").await;
    for words in ["` came to http", "On 2 repositories of mona", "The App has what its rules need", "/login"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert_eq!(run.ends().await, Some(0), "{}", run.said());
    let said = run.said();
    assert!(said.contains("All is well. Start it:") && said.matches("ok       ").count() == 7, "{said}");

    assert_eq!(stage.mode("credentials"), 0o700);
    for name in SECRETS {
        assert_eq!(stage.mode(&format!("credentials/{name}")), 0o600, "{name}");
    }
    nothing_secret_was_shown(&stage, &run);
    let checked = stage.orchd(&["config", "check"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    the_daemon_takes_deliveries(&stage).await;
}

/// Neither on a page nor on the terminal nor in the config.
fn nothing_secret_was_shown(stage: &Stage, run: &super::Run) {
    let (webhook_secret, client_secret) = stage.github.app_secrets();
    assert_eq!(read(&stage.credential("webhook-secret")), webhook_secret);
    assert_eq!(read(&stage.credential("oauth-secret")), client_secret);
    let key = read(&stage.credential("github-app.pem"));
    assert_eq!(key, stage.github.app_key().pem());
    let key_line = key.lines().nth(1).unwrap();
    let login_key = read(&stage.credential("login-key"));
    assert!(login_key.len() == 64 && login_key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let config = read(&stage.path("orchd.yaml"));
    let shown = run.pages.iter().chain([&config]).cloned().collect::<String>() + &run.said();
    for secret in [webhook_secret.as_str(), &client_secret, key_line, &login_key] {
        assert!(!shown.contains(secret), "a secret was shown");
    }
}

async fn the_daemon_takes_deliveries(stage: &Stage) {
    let log = std::fs::File::create(stage.path("serve.log")).unwrap();
    let mut daemon = stage.orchd(&["serve"]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let health = format!("{}/health", stage.url());
    until("the daemon answers", async || reqwest::get(&health).await.is_ok()).await;
    let seen = stage.github.delivery_log().len();
    stage.github.ping();
    stage.github.until_delivered().await;
    let codes: Vec<u16> = stage.github.delivery_log()[seen..].iter().map(|(_, code)| *code).collect();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(codes, [202], "{}", read(&stage.path("serve.log")));
}

#[tokio::test]
async fn an_app_of_an_organisation_has_what_the_rules_that_are_there_need() {
    let stage = Stage::set().await;
    stage.github.add_repository("acme/web", false);
    let check = "{name: lint, conclusion: success, title: Fine, summary: All fine.}";
    let rules = format!("rules:\n  - {{name: lint, mode: shadow, on: [push], then: [{{check: {check}}}]}}\n");
    std::fs::write(stage.path("orchd.yaml"), &rules).unwrap();
    let mut run = stage.run(&["--organization", "acme", "--name", "Acme's orchd"]).await;
    let page = run.get("/setup").await;
    assert!(
        page.body.contains("/organizations/acme/settings/apps/new") && page.says("stays as it is"),
        "{}",
        page.body
    );
    let manifest: serde_json::Value = serde_json::from_str(&unescaped(page.field("manifest").unwrap())).unwrap();
    let expected = serde_json::json!({"checks": "write", "contents": "read", "metadata": "read"});
    assert_eq!(manifest["default_permissions"], expected);
    let back = stage.make_app(&mut run).await;
    run.get(&back).await;
    stage.install().await;
    let page = run.until_page_says("On 1 repository of acme").await;
    assert!(page.says("Add to") && page.says("client_id:") && page.says("to do"), "{}", page.body);
    assert_eq!(read(&stage.path("orchd.yaml")), rules, "a config that was there is left alone");

    run.interrupt();
    assert_eq!(run.ends().await, Some(1));
    let said = run.said();
    let section: String = between_lines(&said, "Add to").join("\n");
    std::fs::write(
        stage.path("orchd.yaml"),
        format!(
            "server: {{public_url: \"{}\"}}\ndatabase: \"sqlite://{}/orchd.db\"\n{section}\n{rules}",
            stage.url(),
            stage.dir.path().display()
        ),
    )
    .unwrap();
    let mut run = stage.run(&["--organization", "acme"]).await;
    run.until_page_says("All is well").await;
    assert_eq!(run.ends().await, Some(0), "{}", run.said());
}

/// The lines after the last that has these words, without the margin, as long as they have it.
fn between_lines(text: &str, words: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.iter().rposition(|line| line.contains(words)).unwrap() + 1;
    let margin = "         ";
    lines[from..].iter().map_while(|line| line.strip_prefix(margin)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_pages_are_well_made_in_a_real_browser() {
    let stage = Stage::set().await;
    let mut run = stage.start(&["--repositories", "mona/*"]).await;
    let token_url = format!("{}{}", stage.url(), run.token_url());
    let (succeeded, told) = crate::dashboard::browse("setup", &token_url, &[], async |_| String::new()).await;
    assert!(succeeded, "{told}");
    assert_eq!(run.ends().await, Some(0), "{}", run.said());
}
