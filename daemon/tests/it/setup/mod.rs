//! The first run, with a real process, a browser that keeps cookies, and a GitHub that makes Apps from manifests.

mod from_nothing;
mod going_on;
mod refused;

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orchd_fake::GitHub;
use tempfile::TempDir;

use crate::login::{Browser, Page, with_form};
use crate::port::free_port;

/// How long a story waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Files of secrets.
const SECRETS: [&str; 4] = ["github-app.pem", "webhook-secret", "oauth-secret", "login-key"];

/// A machine without orchd, and a GitHub without its App.
struct Stage {
    github: GitHub,
    dir: TempDir,
    port: u16,
}

/// A first run. Killed when dropped.
struct Run {
    child: Child,
    output: PathBuf,
    browser: Browser,
    /// Every page that was shown.
    pages: Vec<String>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what it said ---\n{}", self.said());
        }
    }
}

impl Stage {
    async fn set() -> Self {
        let github = GitHub::start().await.unwrap();
        github.add_repository("mona/site", false);
        github.add_repository("mona/shop", true);
        github.sit_at_the_browser(Some("mona"));
        Self { github, dir: tempfile::tempdir().unwrap(), port: free_port() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn credential(&self, name: &str) -> PathBuf {
        self.path("credentials").join(name)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn orchd(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
        command.arg("--config").arg(self.path("orchd.yaml")).args(args);
        command.env_remove("CREDENTIALS_DIRECTORY").env_remove("JOURNAL_STREAM").stdin(Stdio::null());
        command
    }

    fn setup(&self, more: &[&str]) -> Command {
        let listen = format!("127.0.0.1:{}", self.port);
        let (public, github) = (self.url(), self.github.url());
        let args = ["setup", "--public-url", &public, "--github-url", &github, "--listen", &listen];
        self.orchd(&[&args[..], more].concat())
    }

    /// Starts it; gives it once the browser was let in.
    async fn run(&self, more: &[&str]) -> Run {
        let mut run = self.start(more).await;
        let token_url = run.token_url();
        let page = run.get(&token_url).await;
        assert_eq!((page.status, page.location()), (303, Some("/setup")), "{page:?}");
        run
    }

    /// Starts it; gives it once it has said where to go.
    async fn start(&self, more: &[&str]) -> Run {
        let output = self.path("setup.out");
        let log = File::create(&output).unwrap();
        let child = self.setup(more).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut run = Run { child, output, browser: Browser::at(&self.url()), pages: Vec::new() };
        while !run.said().contains("Ctrl-C") {
            assert!(run.child.try_wait().unwrap().is_none(), "it ended before it said where to go");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        run
    }

    /// As whoever sits at the browser presses the button of a page: what GitHub answers.
    async fn press(&self, page: &Page) -> reqwest::Response {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let action = between(&page.body, "action=\"", "\"");
        let manifest = unescaped(page.field("manifest").unwrap());
        with_form(client.post(unescaped(&action)), &[("manifest", &manifest)]).send().await.unwrap()
    }

    /// The App is made: gives where GitHub sends the browser back to.
    async fn make_app(&self, run: &mut Run) -> String {
        let page = run.get("/setup").await;
        let answer = self.press(&page).await;
        assert_eq!(answer.status(), 302, "{answer:?}");
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        back.strip_prefix(&self.url()).expect("GitHub sends people back to us").to_owned()
    }

    async fn install(&self) {
        let (_, slug) = self.github.app();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let page = format!("{}/apps/{slug}/installations/new", self.github.url());
        assert_eq!(client.get(page).send().await.unwrap().status(), 302);
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }
}

impl Run {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Path and query of the URL that was printed.
    fn token_url(&self) -> String {
        format!("/setup?token={}", between(&self.said(), "/setup?token=", "\n"))
    }

    async fn get(&mut self, path: &str) -> Page {
        let page = self.browser.get(path).await;
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        self.pages.push(page.body.clone());
        page
    }

    /// Looks at the page until it says so.
    async fn until_page_says(&mut self, words: &str) -> Page {
        let began = Instant::now();
        loop {
            let page = self.get("/setup").await;
            if page.says(words) {
                return page;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {words:?}: {}", page.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it ends by itself; gives the exit code.
    async fn ends(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}"));
    rest.split(after).next().unwrap().to_owned()
}

/// What a browser makes of an attribute.
fn unescaped(text: &str) -> String {
    let plain = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    plain.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
