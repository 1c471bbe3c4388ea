//! People who sign in to something with their GitHub account: the App's user authorisation, with `state` and PKCE.
//!
//! As GitHub does, errors of an exchange come with HTTP 200 and a field `error`. Codes and refresh tokens are good for one
//! use.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{Duration, Utc};
use serde_json::{Value, json};

use super::GitHub;
use super::call::{Answer, Call};
use super::world::World;
use crate::model::{Time, User, UserKind};
use crate::payload::objects::{user, with};

/// Below this the people's side of GitHub is, not the API.
pub(crate) const PAGES: &str = "/login/oauth/";

/// The client secret of the App that a fake starts with.
pub const CLIENT_SECRET: &str = "the App's client secret";

/// What people allowed, and what came of it.
#[derive(Debug)]
pub(crate) struct Logins {
    /// The App's callback URLs.
    callbacks: Vec<String>,
    /// Who sits at the browser; `None`: somebody who does not agree.
    at_the_browser: Option<String>,
    codes: BTreeMap<String, Code>,
    tokens: BTreeMap<String, UserToken>,
    /// Whose, by token.
    refresh_tokens: BTreeMap<String, String>,
    lasts: Duration,
    refreshes: u32,
}

#[derive(Debug)]
struct Code {
    login: String,
    challenge: String,
    callback: String,
}

#[derive(Debug)]
struct UserToken {
    login: String,
    expires_at: Time,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            callbacks: Vec::new(),
            at_the_browser: None,
            codes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            lasts: Duration::hours(8),
            refreshes: 0,
        }
    }
}

impl Logins {
    /// Who sits at the browser and agrees.
    pub(crate) fn at_the_browser(&self) -> Option<&str> {
        self.at_the_browser.as_deref()
    }

    pub(crate) fn set_callbacks(&mut self, urls: Vec<String>) {
        self.callbacks = urls;
    }
}

impl World {
    /// Whose user token this is; `None`: nobody's, or it has ended.
    pub(crate) fn person_with(&self, token: &str) -> Option<&str> {
        let found = self.logins.tokens.get(token).filter(|token| token.expires_at > Utc::now());
        found.map(|token| token.login.as_str())
    }

    /// What `GET /user` shows.
    pub(crate) fn shown_person(&mut self, login: &str) -> Answer {
        let person = self.user(login, UserKind::User);
        Answer::ok(with(user(&person), json!({"name": login, "email": format!("{login}@example.com")})))
    }

    /// A request to a page below [`PAGES`].
    pub(crate) fn sign_in_page(&mut self, call: &Call) -> Answer {
        match (call.method.as_str(), call.segments.last().map(String::as_str)) {
            ("GET", Some("authorize")) => self.authorize(call),
            ("POST", Some("access_token")) => self.exchange(call),
            _ => Answer::not_found(),
        }
    }

    fn authorize(&mut self, call: &Call) -> Answer {
        let given = |name: &str| call.query.get(name).map(String::as_str).unwrap_or_default();
        let Some(first) = self.logins.callbacks.first().cloned() else { return Answer::not_found() };
        if given("client_id") != self.app.client_id {
            return Answer::not_found();
        }
        let callback = Some(given("redirect_uri")).filter(|uri| !uri.is_empty()).unwrap_or(&first).to_owned();
        let state = given("state");
        if !self.logins.callbacks.contains(&callback) {
            return back_to(&first, &[("error", "redirect_uri_mismatch"), ("state", state)]);
        }
        let Some(login) = self.logins.at_the_browser.clone() else {
            let said = "The user has denied your application access.";
            return back_to(&callback, &[("error", "access_denied"), ("error_description", said), ("state", state)]);
        };
        let challenge = match given("code_challenge_method") {
            "S256" => given("code_challenge").to_owned(),
            _ => String::new(),
        };
        let code = self.seed.hex(20);
        self.logins.codes.insert(code.clone(), Code { login, challenge, callback: callback.clone() });
        back_to(&callback, &[("code", &code), ("state", state)])
    }

    fn exchange(&mut self, call: &Call) -> Answer {
        let given = |name: &str| call.body[name].as_str().unwrap_or_default();
        if call.header("accept") != Some("application/json") {
            return Answer::error(406, "This fake answers in JSON only: send Accept: application/json");
        }
        if given("client_id") != self.app.client_id || given("client_secret") != self.app.client_secret {
            let said = "The client_id and/or client_secret passed are incorrect.";
            return error("incorrect_client_credentials", said);
        }
        if given("grant_type") == "refresh_token" {
            let Some(login) = self.logins.refresh_tokens.remove(given("refresh_token")) else {
                return error("bad_refresh_token", "The refresh token passed is incorrect or expired.");
            };
            self.logins.refreshes += 1;
            return self.give_tokens(login);
        }
        // Gone after the first attempt, whatever comes of it.
        let Some(code) = self.logins.codes.remove(given("code")) else {
            return error("bad_verification_code", "The code passed is incorrect or expired.");
        };
        if given("redirect_uri") != code.callback {
            let said = "The redirect_uri MUST match the registered callback URL for this application.";
            return error("redirect_uri_mismatch", said);
        }
        let verified = URL_SAFE_NO_PAD.encode(digest(&SHA256, given("code_verifier").as_bytes()));
        if code.challenge.is_empty() || verified != code.challenge {
            return error("bad_verification_code", "The code passed is incorrect or expired.");
        }
        self.give_tokens(code.login)
    }

    fn give_tokens(&mut self, login: String) -> Answer {
        let access = format!("ghu_{}", self.seed.hex(36));
        let refresh = format!("ghr_{}", self.seed.hex(76));
        let expires_at = Utc::now() + self.logins.lasts;
        self.logins.tokens.insert(access.clone(), UserToken { login: login.clone(), expires_at });
        self.logins.refresh_tokens.insert(refresh.clone(), login);
        Answer::ok(json!({
            "access_token": access,
            "expires_in": self.logins.lasts.num_seconds(),
            "refresh_token": refresh,
            "refresh_token_expires_in": 15_897_600,
            "scope": "",
            "token_type": "bearer",
        }))
    }
}

fn error(word: &str, description: &str) -> Answer {
    Answer::ok(json!({
        "error": word,
        "error_description": description,
        "error_uri": "https://docs.github.com/apps",
    }))
}

fn back_to(callback: &str, query: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let mut answer = Answer::new(302, Value::Null);
    answer.headers.push(("location".to_owned(), format!("{callback}?{query}")));
    answer
}

impl GitHub {
    /// Where people may come back to after signing in: one of the App's callback URLs.
    pub fn allow_callback(&self, url: &str) {
        self.inner.world().logins.callbacks.push(url.to_owned());
    }

    /// Who sits at the browser and agrees from now on; `None`: somebody who does not.
    pub fn sit_at_the_browser(&self, login: Option<&str>) {
        self.inner.world().logins.at_the_browser = login.map(str::to_owned);
    }

    /// How long user tokens last that are given from now on.
    pub fn user_tokens_last(&self, lasts: std::time::Duration) {
        self.inner.world().logins.lasts = Duration::from_std(lasts).unwrap_or_default();
    }

    /// A token with which the App asks in somebody's name.
    pub fn user_token(&self, login: &str) -> String {
        let mut world = self.inner.world();
        let token = format!("ghu_{}", world.seed.hex(36));
        let expires_at = Utc::now() + Duration::hours(8);
        world.logins.tokens.insert(token.clone(), UserToken { login: login.to_owned(), expires_at });
        token
    }

    /// GitHub's id of a person.
    pub fn id_of(&self, login: &str) -> i64 {
        self.inner.world().user(login, UserKind::User).id
    }

    /// A person has another login from now on, and all that they had. As on GitHub, no event tells of it.
    pub fn rename_person(&self, from: &str, to: &str) {
        let mut world = self.inner.world();
        let world = &mut *world;
        let person = world.user(from, UserKind::User);
        world.users.remove(from);
        world.users.insert(to.to_owned(), User { login: to.to_owned(), ..person });
        for repository in world.repositories.values_mut() {
            if repository.collaborators.remove(from) {
                repository.collaborators.insert(to.to_owned());
            }
            if let Some(role) = repository.roles.remove(from) {
                repository.roles.insert(to.to_owned(), role);
            }
        }
        let members = world.teams.values_mut().flat_map(|team| &mut team.members);
        let logins = &mut world.logins;
        let owners = logins.tokens.values_mut().map(|token| &mut token.login).chain(logins.refresh_tokens.values_mut());
        members.chain(owners).filter(|login| *login == from).for_each(|login| to.clone_into(login));
    }

    /// Nobody's token is taken any more. Nothing is delivered.
    pub fn revoke_user_tokens(&self) {
        self.inner.world().logins.tokens.clear();
    }

    /// How often user tokens were renewed.
    pub fn refreshes(&self) -> u32 {
        self.inner.world().logins.refreshes
    }

    /// Nobody's refresh token is taken any more.
    pub fn forget_refresh_tokens(&self) {
        self.inner.world().logins.refresh_tokens.clear();
    }

    /// All tokens that people's logins gave and that are good now.
    pub fn user_tokens(&self) -> Vec<String> {
        let world = self.inner.world();
        world.logins.tokens.keys().chain(world.logins.refresh_tokens.keys()).cloned().collect()
    }

    /// A person takes back what they let the App do in their name. Delivered.
    pub fn revoke_authorization(&self, login: &str) {
        self.inner.update(|world| {
            world.logins.tokens.retain(|_, token| token.login != login);
            world.logins.refresh_tokens.retain(|_, whose| whose != login);
            let sender = world.user(login, UserKind::User);
            let payload = json!({"action": "revoked", "sender": user(&sender)});
            world.deliver("github_app_authorization", &payload);
        });
    }
}
