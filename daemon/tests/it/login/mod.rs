//! Signing in and out, told with a browser that keeps cookies and a GitHub that knows who sits before it.

mod attacks;
mod browser;
mod daemon;
mod forwarded;
mod refused;
mod sessions;
mod signing_in;
mod tokens;

use std::collections::BTreeMap;

use orchd_fake::{CLIENT_SECRET, GitHub};
use reqwest::{RequestBuilder, StatusCode};

use crate::site::{Running, spawn_site_signing_in};
use crate::story::{Database, Story};

/// What people call the site. A proxy would end TLS there.
pub(crate) const PUBLIC: &str = "https://orchd.example.com";

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A site where people can sign in.
pub(crate) struct Stage {
    pub(crate) github: GitHub,
    pub(crate) site: Running,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_with("").await
    }

    /// With these lines more in `login:`.
    pub(crate) async fn set_with(login: &str) -> Self {
        Self::set_behind(&[], login).await
    }

    /// As [`Stage::set_with`], and these lines more in `server:`.
    pub(crate) async fn set_behind(server: &[&str], login: &str) -> Self {
        let github = GitHub::start().await.unwrap();
        github.allow_callback(&format!("{PUBLIC}/login/callback"));
        github.sit_at_the_browser(Some("mona"));
        let secrets = tempfile::tempdir().unwrap();
        let secret = write(&secrets, "client-secret", CLIENT_SECRET);
        let key = write(&secrets, "key", KEY);
        let site = spawn_site_signing_in(
            &[&[format!("public_url: {PUBLIC}").as_str()], server].concat(),
            &format!(
                "  client_id: Iv1.0123456789abcdef\n  client_secret: {{file: {secret}}}\n  api_url: {}\n",
                github.url()
            ),
            &format!("login:\n  keys: [{{file: {key}}}]\n{login}"),
        )
        .await;
        Self { github, site }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::at(&format!("http://{}", self.site.address))
    }

    /// A browser in which somebody is signed in.
    pub(crate) async fn signed_in(&self, login: &str) -> Browser {
        self.github.sit_at_the_browser(Some(login));
        let mut browser = self.browser();
        let page = browser.sign_in("/account").await;
        assert_eq!((page.status, page.location()), (303, Some("/account")), "{page:?}");
        browser
    }
}

/// A whole daemon with these rules where people sign in, not started yet; `more` are sections of its config.
pub(crate) async fn prepare(database: Database, rules: &str, public: &str, more: &str) -> Story {
    let mut story = Story::prepare(database, rules, "").await;
    story.github.allow_callback(&format!("{public}/login/callback"));
    story.github.sit_at_the_browser(Some("mona"));
    std::fs::write(story.path("client-secret"), CLIENT_SECRET).unwrap();
    std::fs::write(story.path("key"), KEY).unwrap();
    story.server = format!("  public_url: {public}\n");
    story.replace_more(&format!(
        "  client_id: Iv1.0123456789abcdef\n  client_secret: {{file: client-secret}}\nlogin: {{keys: [{{file: key}}]}}\n{more}"
    ));
    story.write_rules(rules);
    story
}

fn write(directory: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A page, or where it leads.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// The value of the first field of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let (_, after) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        after.split('"').next()
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }
}

/// A form as browsers send it.
pub(crate) fn with_form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// Keeps cookies, goes nowhere by itself, and says where its forms come from.
#[derive(Clone)]
pub(crate) struct Browser {
    client: reqwest::Client,
    base: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn at(base: &str) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("a test browser")
            // A daemon that starts again has none of them.
            .pool_max_idle_per_host(0);
        Self { client: client.build().unwrap(), base: base.to_owned(), cookies: BTreeMap::new() }
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let path = path.strip_prefix(PUBLIC).unwrap_or(path);
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn with_cookies(&self, request: RequestBuilder) -> RequestBuilder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Sends it with the cookies, and keeps those that come.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Page {
        let answer = self.with_cookies(request).send().await.unwrap();
        for line in answer.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            assert!(
                line.ends_with(|c: char| c.is_ascii_digit())
                    && line.contains("; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=")
            );
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.ends_with("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        Page { status: status.as_u16(), headers, body: answer.text().await.unwrap() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = self.request(reqwest::Method::GET, path);
        self.send(request).await
    }

    /// A form of one of our pages.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.request(reqwest::Method::POST, path).header("origin", PUBLIC);
        self.send(with_form(request, fields)).await
    }

    /// Leaves for GitHub; gives where GitHub sends the browser back to.
    pub(crate) async fn leave(&mut self, return_to: &str) -> String {
        let page = self.post("/login", &[("return_to", return_to)]).await;
        assert_eq!(page.status, 303, "{page:?}");
        let answer = self.client.get(page.location().unwrap()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FOUND);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// The whole way; gives the page at its end.
    pub(crate) async fn sign_in(&mut self, return_to: &str) -> Page {
        let back = self.leave(return_to).await;
        self.get(&back).await
    }

    pub(crate) async fn csrf(&mut self) -> String {
        let page = self.get("/account").await;
        page.field("csrf").unwrap_or_else(|| panic!("no form in {page:?}")).to_owned()
    }

    pub(crate) async fn is_signed_in(&mut self) -> bool {
        self.get("/account").await.status == 200
    }
}
