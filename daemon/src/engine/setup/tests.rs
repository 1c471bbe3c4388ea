#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::core::manifest::Wishes;
use crate::github::registration::{NewApp, Owner};
use crate::github::stand_in::test_key;

fn plan(directory: &Path) -> Plan {
    Plan {
        public_url: "https://orchd.example.com".to_owned(),
        web_url: "https://github.com".to_owned(),
        api_url: "https://api.github.com".parse().unwrap(),
        organization: None,
        name: "orchd".to_owned(),
        needed: Needed::by(&Wishes { rules: &[], kinds: &[], own_files: None, commands: false, teams: false }),
        listen: "127.0.0.1:8080".parse().unwrap(),
        repositories: vec!["acme/*".to_owned()],
        places: Places {
            config: directory.join("orchd.yaml"),
            credentials: directory.join("credentials"),
            replace: false,
        },
        patience: Duration::from_secs(1),
    }
}

fn new_app() -> NewApp {
    NewApp {
        id: 7,
        slug: "orchd".to_owned(),
        name: "orchd \"of\"\nacme".to_owned(),
        html_url: "https://github.com/apps/orchd".to_owned(),
        owner: Owner { login: "mona".to_owned(), kind: "User".to_owned() },
        client_id: "Iv23.abc".to_owned(),
        client_secret: "the client's secret".into(),
        webhook_secret: "the webhook's secret".into(),
        pem: test_key().private_pem.clone(),
    }
}

fn stored(plan: &Plan) -> Stored {
    files::make_ready(&plan.places).unwrap();
    files::store(&plan.places, new_app()).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn secrets_are_for_their_owner_alone_and_are_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path());
    assert!(files::find(&plan.places).unwrap().is_none());
    stored(&plan);
    let credentials = &plan.places.credentials;
    assert_eq!(mode(credentials), 0o700);
    for name in NAMES {
        assert_eq!(mode(&credentials.join(name)), 0o600, "{name}");
    }
    let names = std::fs::read_dir(credentials).unwrap().count();
    assert_eq!(names, NAMES.len() + 1, "no draft is left");
    let found = files::find(&plan.places).unwrap().unwrap();
    assert_eq!((found.record.id, found.record.owner.as_str()), (7, "mona"));
    assert_eq!(found.webhook_secret.expose_secret(), "the webhook's secret");
    assert!(matches!(files::make_ready(&plan.places), Err(FileError::Exists(_))));
    let forced = Places { replace: true, ..plan.places.clone() };
    files::make_ready(&forced).unwrap();
    files::store(&forced, new_app()).unwrap();
    assert_eq!(std::fs::read_dir(credentials).unwrap().count(), 2 * names, "what was there is set aside");
}

#[test]
fn half_an_app_and_an_open_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path());
    std::fs::create_dir(&plan.places.credentials).unwrap();
    std::fs::set_permissions(&plan.places.credentials, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(files::make_ready(&plan.places), Err(FileError::Open(_))));
    std::fs::write(plan.places.credentials.join("webhook-secret"), "x").unwrap();
    let error = Setup::open(plan).unwrap_err();
    assert!(matches!(&error, FileError::Half { found, .. } if *found == ["webhook-secret"]), "{error}");
}

#[test]
fn the_starter_config_is_valid_whatever_the_app_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path());
    stored(&plan);
    let setup = Setup::open(plan.clone()).unwrap();
    assert!(setup.goes_on());
    let config = config::load(&plan.places.config, actions::kinds(), Utc::now()).unwrap();
    assert_eq!((config.github.app_id, config.github.client_id.as_deref()), (Some(7), Some("Iv23.abc")));
    assert_eq!(config.access.admins.len(), 1);
    assert!(config.rules.iter().all(|rule| rule.mode == crate::core::rule::Mode::Shadow) && config.rules.len() == 2);
    let text = std::fs::read_to_string(&plan.places.config).unwrap();
    assert!(text.contains("{credential: webhook-secret}") && !text.contains("the webhook's secret"), "{text}");
    let lines = setup.list();
    let standing = |what: &str| lines.iter().find(|line| line.what == what).map(|line| line.standing);
    assert_eq!((standing("The config"), standing("Signing in")), (Some(Standing::Done), Some(Standing::Done)));
    assert_eq!(standing("The webhook"), Some(Standing::Waits));
}

#[test]
fn a_config_that_was_there_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path());
    let mine = "rules: []\n";
    std::fs::write(&plan.places.config, mine).unwrap();
    stored(&plan);
    let setup = Setup::open(plan.clone()).unwrap();
    assert_eq!(std::fs::read_to_string(&plan.places.config).unwrap(), mine);
    let about = setup.list().into_iter().find(|line| line.what == "The config").unwrap();
    assert_eq!(about.standing, Standing::Wrong);
    assert!(about.detail.contains("Add to") && about.detail.contains("client_id: \"Iv23.abc\""), "{}", about.detail);
}

#[test]
fn a_state_is_good_once_and_only_the_last_few_are() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::open(plan(directory.path())).unwrap();
    let first = setup.depart();
    let text = first.secret().expose_secret();
    setup.use_up(text).unwrap();
    assert!(matches!(setup.use_up(text), Err(SetupError::UnknownState)));
    let old = setup.depart();
    for _ in 0..MOST_DEPARTURES {
        setup.depart();
    }
    assert!(matches!(setup.use_up(old.secret().expose_secret()), Err(SetupError::UnknownState)));
    assert!(matches!(setup.use_up(""), Err(SetupError::UnknownState)));
}

#[test]
fn a_delivery_counts_once_its_signature_can_be_verified() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path());
    let body = Bytes::from_static(b"{}");
    let signed = |secret: &str| {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&body);
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Signature::from_header(Some(format!("sha256={digits}").as_bytes())).unwrap()
    };
    let good = signed("the webhook's secret");
    assert_eq!(Setup::open(plan.clone()).unwrap().hear(good, "ping", body.clone()), Heard::NotYet);
    stored(&plan);
    let setup = Setup::open(plan).unwrap();
    assert_eq!(setup.hear(signed("another"), "ping", body.clone()), Heard::Wrong);
    assert_eq!(setup.hear(good, "issues", body.clone()), Heard::Event);
    assert_eq!(setup.hear(good, "ping", body.clone()), Heard::Ping);
}
