//! What people see follows what GitHub says of them, at once when it changes.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use orchd::app::client::Shared;
use orchd::config::live::{LiveConfig, ReloadOutcome};
use orchd::core::access::Level;
use orchd::core::event::RepoName;
use orchd::engine::Clock;
use orchd::engine::ingest::{Ingest, new_event};
use orchd::engine::sight::{Changes, SightError, Sighted, Sights};
use orchd::github::GitHubError;
use orchd::github::client::GitHub;
use orchd::github::webhook::{self, Encoding, Headers, Signature};
use orchd::store::Db;
use orchd::store::events::Source;
use orchd_fake::{Fault, GitHub as Fake};
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::store::Place;

/// A daemon's middle, with a GitHub to ask and a clock that stands.
struct Scene {
    fake: Fake,
    /// GitHub's id of alice.
    alice: i64,
    token: String,
    sights: Sights,
    ingest: Ingest,
    live: Arc<LiveConfig>,
    later: Arc<AtomicI64>,
    github: Arc<ArcSwap<GitHub>>,
    clock: Clock,
    place: Place,
    db: Db,
}

impl Scene {
    /// The App is installed on acme; alice may write in acme/web.
    async fn begin(access: &str) -> Self {
        Self::begin_on(Place::sqlite().await, access).await
    }

    async fn begin_on(place: Place, access: &str) -> Self {
        let fake = Fake::start().await.unwrap();
        fake.install("acme", &["acme/web", "acme/api"]);
        fake.add_collaborator("acme/web", "alice");
        let db = place.open().await;
        let path = place.directory.path().join("orchd.yaml");
        std::fs::write(place.directory.path().join("app.pem"), fake.app_key().pem()).unwrap();
        let yaml = format!(
            "github: {{webhook_secrets: [{{file: secret}}], api_url: \"{}\", app_id: {}, private_key: {{file: app.pem}}, timeout: 5s}}\n{access}\n",
            fake.url(),
            fake.app_id()
        );
        std::fs::write(place.directory.path().join("secret"), "a secret").unwrap();
        std::fs::write(&path, yaml).unwrap();
        let config = orchd::config::load(&path, orchd::actions::kinds(), Utc::now()).unwrap();
        let shared = Shared::new(&config, &db);
        let github = Arc::new(ArcSwap::from_pointee(GitHub::new(shared.settings(&config)).unwrap()));
        let live = Arc::new(LiveConfig::new(config));
        let ingest = Ingest::start(db.clone(), Arc::clone(&live), Arc::new(Notify::new()), shared.heard);
        let later = Arc::new(AtomicI64::new(0));
        let (began, seconds) = (Utc::now(), Arc::clone(&later));
        let clock: Clock =
            Arc::new(move || -> DateTime<Utc> { began + TimeDelta::seconds(seconds.load(Ordering::SeqCst)) });
        let sights = Sights::new(Arc::clone(&live), Arc::clone(&github), ingest.sights(), Arc::clone(&clock));
        let (alice, token) = (fake.id_of("alice"), fake.user_token("alice"));
        Self { fake, alice, token, sights, ingest, live, github, clock, later, place, db }
    }

    async fn ask(&self) -> Result<Sighted, SightError<Infallible>> {
        self.sights.of(self.alice, ready(Ok(SecretString::from(self.token.clone())))).await
    }

    async fn level(&self, repository: &str) -> Option<Level> {
        self.ask().await.unwrap().sight.level_in(&RepoName::parse(repository).unwrap())
    }

    /// Everything that GitHub wants to tell arrives.
    async fn deliver(&self) {
        for delivery in self.fake.take_deliveries() {
            let signature = orchd_fake::sign_webhook("a secret", &delivery.body);
            let signature = Signature::from_header(Some(signature.as_bytes())).unwrap();
            let verified = webhook::verify(&["a secret".to_owned().into()], signature, delivery.body.clone()).unwrap();
            let (envelope, payload) = webhook::read_envelope(&verified, Encoding::Json).unwrap();
            let named = Headers { delivery_id: delivery.guid.clone(), event_type: delivery.event.clone() };
            let event = new_event(named, envelope, payload, Source::Webhook, Utc::now());
            self.ingest.submit(event).await.unwrap();
        }
    }

    /// Requests for what alice may see.
    fn asked(&self) -> usize {
        self.fake
            .requests()
            .iter()
            .filter(|each| each.path.starts_with("/user/") || each.path.starts_with("/orgs/"))
            .count()
    }

    fn reload(&self, from: &str, to: &str) {
        let path = self.place.directory.path().join("orchd.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let outcome = self.live.reload(&path, orchd::actions::kinds(), Utc::now(), |_| Ok(()));
        assert!(matches!(outcome, ReloadOutcome::Swapped { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_person_sees_what_github_shows_them_in_the_role_they_have_there() {
    let scene = Scene::begin("").await;
    assert_eq!(scene.level("acme/web").await, Some(Level::Operator));
    assert_eq!(scene.level("acme/api").await, None, "public, but nobody gave it to her");
    assert_eq!(scene.level("ACME/Web").await, Some(Level::Operator));
    assert_eq!(scene.asked(), 2, "the installations, and the repositories of one");

    scene.later.store(299, Ordering::SeqCst);
    assert_eq!(scene.level("acme/web").await, Some(Level::Operator));
    assert_eq!(scene.asked(), 2, "believed for five minutes");
    scene.fake.change_role("acme/web", "alice", Some("admin"), "bob");
    scene.fake.take_deliveries();
    scene.later.store(300, Ordering::SeqCst);
    assert_eq!(scene.level("acme/web").await, Some(Level::Admin), "the event of it was lost");
}

#[tokio::test]
async fn a_changed_role_counts_as_soon_as_its_event_is_there() {
    let scene = Scene::begin("").await;
    for (role, level) in
        [("read", Level::Viewer), ("triage", Level::Operator), ("maintain", Level::Operator), ("admin", Level::Admin)]
    {
        scene.fake.change_role("acme/web", "alice", Some(role), "bob");
        scene.deliver().await;
        assert_eq!(scene.level("acme/web").await, Some(level), "{role}");
    }
    scene.fake.change_role("acme/web", "alice", None, "bob");
    scene.deliver().await;
    assert_eq!(scene.level("acme/web").await, None);
    let asked = scene.asked();

    scene.fake.change_role("acme/web", "carol", Some("read"), "bob");
    scene.deliver().await;
    assert_eq!(scene.level("acme/web").await, None);
    assert_eq!(scene.asked(), asked, "what is told of carol does not make anybody ask for alice");
}

#[tokio::test]
async fn a_renamed_repository_is_seen_under_its_new_name_at_once() {
    let scene = Scene::begin("").await;
    assert_eq!(scene.level("acme/web").await, Some(Level::Operator));
    scene.fake.rename_repository("acme/web", "site", "bob");
    scene.deliver().await;
    assert_eq!(scene.level("acme/site").await, Some(Level::Operator));
    assert_eq!(scene.level("acme/web").await, None);
}

#[tokio::test]
async fn a_repository_that_the_installation_covers_since_is_seen_at_once() {
    let scene = Scene::begin("").await;
    let id = scene.fake.installation_of("acme/web");
    assert_eq!(scene.level("acme/docs").await, None);
    scene.fake.add_repository("acme/docs", true);
    scene.fake.add_collaborator_as("acme/docs", "alice", "read");
    scene.fake.cover(id, "bob", &["acme/docs"]);
    scene.deliver().await;
    assert_eq!(scene.level("acme/docs").await, Some(Level::Viewer));
    scene.fake.uninstall(id, "bob");
    scene.deliver().await;
    assert_eq!(scene.ask().await.unwrap().sight.highest(), None);
}

#[tokio::test]
async fn every_page_is_read() {
    let scene = Scene::begin("").await;
    let names: Vec<_> = (0..250).map(|number| format!("many/repo-{number}")).collect();
    scene.fake.install("many", &names.iter().map(String::as_str).collect::<Vec<_>>());
    names.iter().for_each(|name| scene.fake.add_collaborator_as(name, "alice", "triage"));
    let sighted = scene.ask().await.unwrap();
    assert_eq!(sighted.sight.only().unwrap().count(), 251);
    assert!(!sighted.sight.is_short);
    assert_eq!(scene.asked(), 5, "the installations, one page of acme, three of many");
}

#[tokio::test]
async fn the_config_names_people_and_teams_and_a_reload_counts_at_once() {
    let scene = Scene::begin("access: {viewers: [Alice], operators: [], admins: []}").await;
    scene.fake.add_team("acme", "core", &["alice"]);
    let id = scene.fake.installation_of("acme/web");
    assert_eq!(scene.ask().await.unwrap().sight.site, Some(Level::Viewer));
    assert!(scene.ask().await.unwrap().sight.only().is_none(), "she sees all");
    let asked = scene.asked();

    scene.reload("viewers: [Alice]", "viewers: [bob]");
    assert_eq!(scene.ask().await.unwrap().sight.site, None);
    assert_eq!(scene.asked(), asked, "GitHub has said nothing else");

    scene.reload("admins: []", "admins: [acme/core]");
    assert_eq!(scene.ask().await.unwrap().sight.site, None, "the App may not read who is in the team");
    scene.fake.grant(id, "bob", &serde_json::json!({"members": "read"}));
    scene.deliver().await;
    assert_eq!(scene.ask().await.unwrap().sight.site, Some(Level::Admin));
    scene.fake.leave_team("acme", "core", "alice");
    scene.deliver().await;
    assert_eq!(scene.ask().await.unwrap().sight.site, None);
}

#[tokio::test]
async fn a_renamed_person_takes_nothing_along_and_leaves_nothing_to_whoever_takes_the_name() {
    let scene = Scene::begin("access: {viewers: [alice], admins: [acme/core]}").await;
    scene.fake.add_team("acme", "core", &["alice"]);
    scene.fake.grant(scene.fake.installation_of("acme/web"), "bob", &serde_json::json!({"members": "read"}));
    assert_eq!(scene.ask().await.unwrap().sight.site, Some(Level::Admin));
    scene.fake.rename_person("alice", "alison");
    scene.later.store(299, Ordering::SeqCst);
    assert_eq!(scene.ask().await.unwrap().login, "alice", "no event tells of it");

    scene.later.store(300, Ordering::SeqCst);
    scene.fake.leave_team("acme", "core", "alison");
    let sighted = scene.ask().await.unwrap();
    assert_eq!((sighted.login.as_str(), sighted.sight.site), ("alison", None), "the config knows no alison");
    assert_eq!(scene.level("acme/web").await, Some(Level::Operator), "what GitHub gives her she has");

    scene.fake.rename_person("mallory", "alice");
    let (mallory, token) = (scene.fake.id_of("alice"), scene.fake.user_token("alice"));
    assert_ne!(mallory, scene.alice);
    let token = || ready(Ok::<_, Infallible>(SecretString::from(token.clone())));
    let sighted = scene.sights.of(mallory, token()).await.unwrap();
    assert_eq!(
        (sighted.login.as_str(), sighted.sight.site),
        ("alice", Some(Level::Viewer)),
        "what the config gives it"
    );
    assert_eq!(sighted.sight.level_in(&RepoName::parse("acme/web").unwrap()), Some(Level::Viewer));

    scene.later.store(600, Ordering::SeqCst);
    let error = scene.sights.of(scene.alice, token()).await.unwrap_err();
    assert!(matches!(error, SightError::SignedOut), "the token is another's: {error}");
}

#[tokio::test]
async fn while_github_does_not_answer_nobody_is_told_that_they_see_nothing() {
    let scene = Scene::begin("access: {viewers: [alice]}").await;
    scene.ask().await.unwrap();
    scene.fake.go_down();
    scene.ask().await.unwrap();
    scene.later.store(300, Ordering::SeqCst);
    let error = scene.ask().await.unwrap_err();
    assert!(matches!(error, SightError::GitHub(GitHubError::Down { .. } | GitHubError::Unavailable(_))), "{error}");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let scene = Scene::begin("").await;
    scene.fake.fault(Fault::on("GET", "/user/installations/").times(1).status(403));
    let error = scene.ask().await.unwrap_err();
    assert!(matches!(error, SightError::GitHub(GitHubError::Refused { status: 403, .. })), "{error}");
    assert_eq!(scene.level("acme/web").await, Some(Level::Operator), "errors are not kept");
}

#[tokio::test]
async fn a_token_that_github_refuses_means_to_sign_in_again() {
    let mut scene = Scene::begin("").await;
    scene.ask().await.unwrap();
    scene.fake.revoke_user_tokens();
    scene.fake.revoke_authorization("alice");
    scene.deliver().await;
    assert!(matches!(scene.ask().await.unwrap_err(), SightError::SignedOut));
    scene.token = scene.fake.user_token("alice");
    assert_eq!(scene.level("acme/web").await, Some(Level::Operator));

    scene.later.store(300, Ordering::SeqCst);
    let nobody = scene.sights.of(scene.alice, ready(Err("the key is gone"))).await.unwrap_err();
    assert!(matches!(nobody, SightError::Token("the key is gone")));
}

#[tokio::test]
async fn however_many_ask_github_is_asked_once() {
    let scene = Scene::begin("").await;
    let tokens = AtomicUsize::new(0);
    let ask = || {
        scene.sights.of(scene.alice, async {
            tokens.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(SecretString::from(scene.token.clone()))
        })
    };
    for sighted in futures_util::future::join_all((0..50).map(|_| ask())).await {
        assert_eq!(sighted.unwrap().sight.highest(), Some(Level::Operator));
    }
    assert_eq!((scene.asked(), tokens.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn an_answer_that_an_event_overtook_is_not_used() {
    let scene = Scene::begin("").await;
    let (fake, changes, db) = (scene.fake.clone(), scene.ingest.sights(), scene.db.clone());
    // While GitHub answers, her role is taken away and the event of it arrives.
    let overtaken = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&overtaken);
    scene.fake.fault(Fault::on("GET", "/user/installations/").times(1).after_doing().meanwhile(move || {
        told.fetch_add(1, Ordering::SeqCst);
        fake.change_role("acme/web", "alice", Some("read"), "bob");
        for delivery in fake.take_deliveries() {
            let verified = orchd_fake::sign_webhook("a secret", &delivery.body);
            let signature = Signature::from_header(Some(verified.as_bytes())).unwrap();
            let verified = webhook::verify(&["a secret".to_owned().into()], signature, delivery.body.clone()).unwrap();
            let (envelope, payload) = webhook::read_envelope(&verified, Encoding::Json).unwrap();
            let named = Headers { delivery_id: delivery.guid.clone(), event_type: delivery.event.clone() };
            let event = new_event(named, envelope, payload, Source::Webhook, Utc::now());
            changes.hear(&event, &db).now_or_never().unwrap();
        }
    }));
    assert_eq!(scene.level("acme/web").await, Some(Level::Viewer));
    assert_eq!(overtaken.load(Ordering::SeqCst), 1);
    assert_eq!(scene.asked(), 4, "asked anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_daemon_on_the_same_database_hears_of_it_too() {
    let scene = Scene::begin_on(Place::postgres().await, "").await;
    let changes = Changes::default();
    let other =
        Sights::new(Arc::clone(&scene.live), Arc::clone(&scene.github), changes.clone(), Arc::clone(&scene.clock));
    let listening = tokio::spawn(changes.follow(scene.place.open().await));
    let level = async || {
        let token = ready(Ok::<_, Infallible>(SecretString::from(scene.token.clone())));
        other.of(scene.alice, token).await.unwrap().sight.level_in(&RepoName::parse("acme/web").unwrap())
    };
    assert_eq!(level().await, Some(Level::Operator));
    scene.fake.change_role("acme/web", "alice", Some("read"), "bob");
    scene.deliver().await;
    // The clock stands: no answer ever gets too old.
    let heard = async {
        while level().await != Some(Level::Viewer) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), heard).await.unwrap();
    listening.abort();
    let _ = listening.await;
    drop(other);
    let Scene { place, db, ingest, .. } = scene;
    drop(ingest);
    db.close().await;
    place.drop().await;
}
