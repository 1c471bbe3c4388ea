//! The dashboard in a real browser, before a real daemon whose GitHub is simulated: every page in both schemes and sizes,
//! with and without a script, by keyboard, with what strangers write in it; and every deed.
//!
//! The browser is driven by `browser.mjs`. What happens outside of it meanwhile is asked of this side, a line each way:
//! `act NAME`, and `done` with what it came to.

mod stage;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::{mpsc, oneshot};

use self::stage::Stage;
use crate::npm;

/// Speaks to the Chromium of the system; it brings none of its own.
pub(crate) const PLAYWRIGHT: &str = "playwright-core@1.65.1";

/// Deque's rules for accessible pages.
const AXE: &str = "axe-core@4.11.0";

/// Something that is to happen outside of the browser, and where what it came to is told.
type Deed = (String, oneshot::Sender<String>);

/// Plays a part of `browser.mjs` before the stage.
async fn play(stage: &mut Stage, part: &str) {
    let (site, paths) = (stage.site.clone(), stage.paths());
    let (succeeded, told) = browse(part, &site, &paths, async |deed| stage.act(deed).await).await;
    assert!(succeeded, "{told}\n{}", stage.story.log());
}

/// Plays a part of `browser.mjs`: whether all of it was seen, and what was said.
pub(crate) async fn browse(
    part: &str,
    site: &str,
    paths: &[String],
    mut act: impl AsyncFnMut(&str) -> String,
) -> (bool, String) {
    let modules = npm::install(PLAYWRIGHT);
    let axe = npm::install(AXE).join("axe-core/axe.min.js");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Kept below `target/`, for whoever wants to look at them.
    let shots = here.join("../target/screenshots");
    std::fs::create_dir_all(&shots).unwrap();
    let profiles = tempfile::tempdir().unwrap();
    let browser = Command::new("node")
        .arg(here.join("tests/it/dashboard/browser.mjs"))
        .args([part, site])
        .args([profiles.path(), &shots, &modules, &axe])
        .arg(paths.join(","))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (deeds, mut wanted) = mpsc::channel(1);
    let watching = tokio::task::spawn_blocking(move || watch(browser, &deeds));
    while let Some((deed, told)) = wanted.recv().await {
        told.send(act(&deed).await).unwrap();
    }
    let (succeeded, told) = watching.await.unwrap();
    (succeeded && told.contains("all of it was seen"), told)
}

/// Passes on what the browser's side asks for; whether it came to a good end, and all that it said.
fn watch(mut browser: Child, deeds: &mpsc::Sender<Deed>) -> (bool, String) {
    let (mut say, heard) = (browser.stdin.take().unwrap(), browser.stdout.take().unwrap());
    let mut complaints = browser.stderr.take().unwrap();
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        complaints.read_to_string(&mut text).unwrap();
        text
    });
    let mut told = String::new();
    for line in BufReader::new(heard).lines() {
        let line = line.unwrap();
        match line.strip_prefix("act ") {
            Some(deed) => {
                let (done, over) = oneshot::channel();
                deeds.blocking_send((deed.to_owned(), done)).unwrap();
                writeln!(say, "done {}", over.blocking_recv().unwrap()).unwrap();
            }
            None => told.extend([&line, "\n"]),
        }
    }
    let succeeded = browser.wait().unwrap().success();
    told += &complaints.join().unwrap();
    (succeeded, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: make test-slow"]
async fn every_page_is_well_made_in_both_schemes_on_phones_and_wide_screens() {
    play(&mut Stage::set().await, "walk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: make test-slow"]
async fn every_deed_is_done_in_a_real_browser_and_pages_live() {
    play(&mut Stage::set().await, "deeds").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_deeds_work_without_a_script_and_by_keyboard_alone() {
    play(&mut Stage::set().await, "plain").await;
}
