//! A run that was interrupted goes on where it stopped, and one that is forced begins anew.

use super::{SECRETS, Stage, read};

#[tokio::test]
async fn an_interrupted_run_goes_on_with_the_app_that_is_there() {
    let stage = Stage::set().await;
    let mut run = stage.run(&[]).await;
    let back = stage.make_app(&mut run).await;
    run.get(&back).await;
    run.interrupt();
    assert_eq!(run.ends().await, Some(1));
    let said = run.said();
    assert!(said.contains("stopped: the same command goes on from here") && said.contains("Installation"), "{said}");
    let before = stage.github.app();
    let config = read(&stage.path("orchd.yaml"));
    let secrets: Vec<String> = SECRETS.iter().map(|name| read(&stage.credential(name))).collect();

    let mut run = stage.run(&[]).await;
    assert!(run.said().contains("is there already: this goes on from there"), "{}", run.said());
    assert!(!run.get("/setup").await.says("Create the App"));
    stage.install().await;
    run.until_page_says("All is well").await;
    assert_eq!(run.ends().await, Some(0), "{}", run.said());
    assert_eq!(stage.github.app(), before, "no second App");
    assert_eq!(read(&stage.path("orchd.yaml")), config);
    assert_eq!(SECRETS.map(|name| read(&stage.credential(name))).as_slice(), secrets);
}

#[tokio::test]
async fn a_forced_run_makes_another_app_and_sets_the_first_aside() {
    let stage = Stage::set().await;
    let mut run = stage.run(&[]).await;
    let back = stage.make_app(&mut run).await;
    run.get(&back).await;
    run.interrupt();
    run.ends().await;
    let first = read(&stage.credential("webhook-secret"));

    let mut run = stage.run(&["--force"]).await;
    let back = stage.make_app(&mut run).await;
    assert_eq!(run.get(&back).await.status, 303);
    assert_ne!(read(&stage.credential("webhook-secret")), first);
    let aside = std::fs::read_dir(stage.path("credentials")).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.to_str().unwrap().contains("webhook-secret.until-"));
    assert_eq!(aside.map(|path| read(&path)).collect::<Vec<_>>(), [first]);
}

#[tokio::test]
async fn a_wait_that_is_over_says_what_is_left() {
    let stage = Stage::set().await;
    let mut run = stage.run(&["--wait", "1s"]).await;
    let back = stage.make_app(&mut run).await;
    run.get(&back).await;
    assert_eq!(run.ends().await, Some(1));
    let said = run.said();
    assert!(said.contains("waiting  Installation") && said.contains("/installations/new, now or later"), "{said}");
    assert!(said.contains("do what the list says, and run this again"), "{said}");
}
