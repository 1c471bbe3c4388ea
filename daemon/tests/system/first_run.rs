//! `orchd setup` in a machine, with a person at the browser.

use std::fs::File;
use std::process::Child;

use orchd_fake::GitHub;

use crate::machine::Machine;
use crate::until;

/// Where the package listens, and what the reverse proxy of a real one would lead to it.
pub const ADDRESS: &str = "127.0.0.1:8080";

/// Makes an App of `acme`'s, installs it on all its repositories, and sees the command end well. Gives what it said.
pub async fn set_up(machine: &Machine, github: &GitHub) -> String {
    let mut run = Run::start(machine, github).await;
    let mut browser = Browser::new();
    let token = between(&run.said(), "/setup?token=", "\n");
    assert_eq!(browser.get(&format!("/setup?token={token}")).await.status, 303);

    let page = browser.get("/setup").await;
    let (action, manifest) =
        (between(&page.body, "action=\"", "\""), between(&page.body, "name=\"manifest\" value=\"", "\""));
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("manifest", &unescaped(&manifest)).finish();
    let pressed = browser
        .client
        .post(unescaped(&action))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let back = pressed.headers()["location"].to_str().unwrap().to_owned();
    let back = back.strip_prefix(&format!("http://{ADDRESS}")).expect("GitHub sends people back to us");
    assert_eq!(browser.get(back).await.status, 303);

    let (_, slug) = github.app();
    let install = format!("{}/apps/{slug}/installations/new", github.url());
    assert_eq!(browser.client.get(install).send().await.unwrap().status(), 302);
    // The page is asked for as a browser does, until it has said that all is well; then the command ends.
    let code = loop {
        if let Some(ended) = run.child.try_wait().unwrap() {
            break ended;
        }
        let page = browser.try_get("/setup").await;
        if page.is_none_or(|page| page.body.contains("All is well")) {
            break run.child.wait().unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(code.success(), "{code}\n{}", run.said());
    run.said()
}

/// Killed when dropped.
struct Run {
    child: Child,
    output: std::path::PathBuf,
}

impl Run {
    /// Gives it once it has said where to go.
    async fn start(machine: &Machine, github: &GitHub) -> Self {
        let output = machine.path("setup.out");
        let log = File::create(&output).unwrap();
        let shell = format!(
            "exec orchd setup --public-url http://{ADDRESS} --github-url {} --organization acme --repositories 'acme/*' \
             --wait 60s",
            github.url()
        );
        let child = machine.command(&shell).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let run = std::cell::RefCell::new(Self { child, output });
        until("setup says where to go", async || {
            let mut run = run.borrow_mut();
            let ended = run.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}\n{}", run.said());
            run.said().contains("Ctrl-C")
        })
        .await;
        run.into_inner()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps cookies and goes nowhere by itself.
struct Browser {
    client: reqwest::Client,
    cookie: Option<String>,
}

struct Page {
    status: u16,
    body: String,
}

impl Browser {
    fn new() -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
        Self { client: client.build().unwrap(), cookie: None }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.try_get(path).await.unwrap_or_else(|| panic!("{path}: nothing answers"))
    }

    async fn try_get(&mut self, path: &str) -> Option<Page> {
        let request = self.client.get(format!("http://{ADDRESS}{path}"));
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let answer = request.send().await.ok()?;
        if let Some(line) = answer.headers().get("set-cookie") {
            self.cookie = line.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        Some(Page { status: answer.status().as_u16(), body: answer.text().await.ok()? })
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
