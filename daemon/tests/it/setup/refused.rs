//! What is refused: strangers, answers that nobody waits for, codes, and what would overwrite something.

use std::time::Duration;

use crate::login::Browser;

use super::{Stage, between};

#[tokio::test]
async fn strangers_are_told_nothing_and_the_token_lets_one_browser_in() {
    let stage = Stage::set().await;
    let mut run = stage.start(&[]).await;
    let mut stranger = Browser::at(&stage.url());
    let wrong = format!("/setup?token={}", "A".repeat(43));
    let nothing = stranger.get("/nothing").await;
    for path in ["/setup", &wrong, "/setup?token=", "/setup/callback?code=a&state=b"] {
        let page = stranger.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.says("there is nothing at this URL") && nothing.says("there is nothing at this URL"), "{page:?}");
        assert!(page.header("set-cookie").is_none());
    }
    let token_url = run.token_url();
    let page = run.get(&token_url).await;
    assert_eq!(page.status, 303);
    assert_eq!(stranger.get(&token_url).await.status, 404, "it was used");
    assert_eq!(run.get("/setup").await.status, 200);
    assert_eq!(run.get(&token_url).await.location(), Some("/setup"), "whoever is in stays in");
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked() {
    let stage = Stage::set().await;
    let mut run = stage.run(&[]).await;
    let back = stage.make_app(&mut run).await;
    let code = between(&back, "code=", "&");
    assert_eq!(Browser::at(&stage.url()).get(&back).await.status, 404, "another browser");
    for state in ["", "state=", &format!("state={}", "A".repeat(43))] {
        let page = run.get(&format!("/setup/callback?code={code}&{state}")).await;
        assert_eq!(page.status, 403, "{state}");
        assert!(page.says("not the answer to a button that was pressed here"), "{}", page.body);
    }
    assert!(!stage.path("credentials").exists(), "nothing was stored");
    assert_eq!(run.get(&back).await.status, 303);
    assert_eq!(run.get(&back).await.status, 403, "the state was used");
}

#[tokio::test]
async fn a_code_that_github_refuses_leaves_nothing_and_the_next_one_works() {
    let stage = Stage::set().await;
    let mut run = stage.run(&[]).await;
    let back = stage.make_app(&mut run).await;
    stage.github.age_codes(Duration::from_secs(2 * 60 * 60));
    let page = run.get(&back).await;
    assert_eq!(page.status, 502);
    assert!(page.says("does not know the code") && page.says("Back to the first page"), "{}", page.body);
    assert!(!stage.credential("github-app.pem").exists() && !stage.path("orchd.yaml").exists());
    let back = stage.make_app(&mut run).await;
    assert_eq!(run.get(&back).await.status, 303);
    assert!(stage.credential("github-app.pem").exists() && stage.path("orchd.yaml").exists());
}

#[tokio::test]
async fn deliveries_with_another_secret_do_not_count() {
    let stage = Stage::set().await;
    let mut run = stage.run(&[]).await;
    let back = stage.make_app(&mut run).await;
    stage.github.until_delivered().await;
    let early: Vec<u16> = stage.github.delivery_log().iter().map(|(_, code)| *code).collect();
    assert_eq!(early, [503], "nobody knows the secret before the code is used");
    let hook = format!("{}/webhooks/github", stage.url());
    stage.github.set_webhook(&hook, "another secret");
    assert_eq!(run.get(&back).await.status, 303);
    stage.github.until("a ping is refused", |github| github.delivery_log().iter().any(|(_, code)| *code == 401)).await;
    assert!(run.get("/setup").await.says("nothing came with a good signature yet"));
}

#[tokio::test]
async fn what_is_there_is_not_overwritten() {
    let stage = Stage::set().await;
    std::fs::create_dir(stage.path("credentials")).unwrap();
    std::fs::write(stage.credential("webhook-secret"), "mine").unwrap();
    let refused = stage.setup(&[]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("holds webhook-secret, but not all that an App has"), "{said}");
    assert_eq!(super::read(&stage.credential("webhook-secret")), "mine");
    for (more, words) in [
        (["--public-url", "http://orchd.example.com"], "cannot be used multiple times"),
        (["--name", "a name that is much too long for an App"], "--name has 1 to 34 characters"),
        (["--organization", "../x"], "--organization is a login"),
        (["--wait", "soon"], "--wait is a duration"),
    ] {
        let refused = stage.setup(&more).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
