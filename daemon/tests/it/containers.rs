//! What is shipped for containers: the config in it is one, compose.yaml and the quadlets agree, and the health check tells
//! the truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::road::DOCS_RULE;
use crate::story::{Database, Story, run_cli};

/// Of the image: `USER` in the Dockerfile.
const USER: &str = "65532";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/containers").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap()
}

/// Sections, keys and values, in order. systemd's format, of which quadlets use no more than this.
type Unit = BTreeMap<String, Vec<(String, String)>>;

fn quadlet(name: &str) -> Unit {
    let mut unit = Unit::new();
    let mut section = String::new();
    for line in read(name).lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(begun) => begun.clone_into(&mut section),
            None => {
                let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
                unit.entry(section.clone()).or_default().push((key.to_owned(), value.to_owned()));
            }
        }
    }
    unit
}

fn values<'a>(unit: &'a Unit, section: &str, key: &str) -> Vec<&'a str> {
    unit[section].iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
}

fn compose() -> Value {
    serde_yaml::from_str(&read("compose.yaml")).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|each| each.as_str().unwrap()).collect()
}

#[test]
fn the_config_for_containers_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = read("orchd.yaml");
    for (name, value) in [
        ("orchd-database-url", "postgres://orchd:password@postgres/orchd".to_owned()),
        ("orchd-webhook-secret", "secret".to_owned()),
        ("orchd-github-app", orchd_fake::AppKey::generate().pem().to_owned()),
    ] {
        std::fs::write(dir.path().join(name), value).unwrap();
        let there = format!("/run/secrets/{name}");
        assert!(text.contains(&there), "{there} is not used");
        assert!(texts(&compose()["services"]["orchd"]["secrets"]).contains(&name), "compose.yaml has no {name}");
        let unit = quadlet("orchd.container");
        let owned = format!("{name},uid={USER},gid={USER},mode=0400");
        assert!(values(&unit, "Container", "Secret").contains(&owned.as_str()), "orchd.container has no {name}");
        text = text.replace(&there, &dir.path().join(name).display().to_string());
    }
    let config = dir.path().join("orchd.yaml");
    std::fs::write(&config, text).unwrap();
    let checked = run_cli(&config, &["config", "check", config.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn nothing_runs_with_more_than_it_needs() {
    let compose = compose();
    for (service, unit) in [("orchd", "orchd.container"), ("postgres", "orchd-postgres.container")] {
        let (told, unit) = (&compose["services"][service], quadlet(unit));
        assert_eq!(told["read_only"], true);
        assert_eq!(texts(&told["cap_drop"]), ["ALL"]);
        assert_eq!(texts(&told["security_opt"]), ["no-new-privileges:true"]);
        assert!(told["deploy"]["resources"]["limits"]["memory"].is_string() && told["healthcheck"]["test"].is_array());
        for (key, value) in [("ReadOnly", "true"), ("DropCapability", "all"), ("NoNewPrivileges", "true")] {
            assert_eq!(values(&unit, "Container", key), [value], "{service}");
        }
        let temporary = told["tmpfs"].as_array().map(|_| texts(&told["tmpfs"])).unwrap_or_default();
        assert_eq!(values(&unit, "Container", "Tmpfs"), temporary, "{service}");
        // The same check, by the same words.
        let check: Vec<String> = serde_json::from_str(values(&unit, "Container", "HealthCmd")[0]).unwrap();
        assert_eq!(texts(&told["healthcheck"]["test"])[1..], check, "{service}");
        let image = told["image"].as_str().unwrap().split(":-").nth(1).unwrap().trim_end_matches('}');
        assert_eq!(values(&unit, "Container", "Image"), [image], "{service}");
    }
    let version = concat!(":", env!("CARGO_PKG_VERSION"));
    assert!(values(&quadlet("orchd.container"), "Container", "Image")[0].ends_with(version));
    assert_eq!(
        texts(&compose["services"]["orchd"]["ports"]),
        values(&quadlet("orchd.container"), "Container", "PublishPort")
    );
}

/// The machine's proxy reaches the container from there, and is believed.
#[test]
fn the_proxy_that_is_trusted_is_the_gateway() {
    let config: Value = serde_yaml::from_str(&read("orchd.yaml")).unwrap();
    let gateway = texts(&config["server"]["trusted_proxies"])[0].to_owned();
    assert_eq!(compose()["networks"]["orchd"]["ipam"]["config"][0]["gateway"], gateway.as_str());
    assert_eq!(values(&quadlet("orchd.network"), "Network", "Gateway"), [gateway]);
}

/// A disk of the test's own with hardly any room, so that the daemon says that it fails. Mounting it takes root.
#[tokio::test]
async fn health_is_an_exit_code() {
    let mut story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let nobody = story.cli(&["health"]);
    assert_eq!(nobody.status.code(), Some(3), "nobody answers");
    assert!(String::from_utf8_lossy(&nobody.stderr).starts_with("orchd: no daemon listens on "));

    story.start();
    let well = story.cli(&["health"]);
    assert_eq!((well.status.code(), String::from_utf8_lossy(&well.stdout).trim()), (Some(0), "ok"));
    assert_eq!(story.json(&["health"])["status"], "ok");
    story.write_rules("  - name: broken\n    on: pull_requst.opened\n");
    story.wait_for("the config is refused", |story| story.json(&["health"])["status"] == "degraded");
    let degraded = story.cli(&["health"]);
    assert_eq!(degraded.status.code(), Some(0), "a restart would mend nothing");
    let told = String::from_utf8_lossy(&degraded.stdout).into_owned();
    assert!(told.starts_with("degraded: config (") && told.ends_with("; `orchd doctor` says more\n"), "{told}");
    story.write_rules(DOCS_RULE);
    assert_eq!(story.stop(), Some(0));

    let disk = story.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "orchd-test"]).arg(&disk).status().unwrap();
    assert!(mount.success(), "this test mounts a small tmpfs: run it as root");
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(disk.clone());
    let text = std::fs::read_to_string(story.config()).unwrap();
    let (before, after) = (story.path("orchd.db"), disk.join("orchd.db"));
    std::fs::write(story.config(), text.replace(before.to_str().unwrap(), after.to_str().unwrap())).unwrap();
    story.start();
    let failing = story.cli(&["health"]);
    assert_eq!(failing.status.code(), Some(1));
    let told = String::from_utf8_lossy(&failing.stderr).into_owned();
    assert!(told.starts_with("orchd: the daemon does not work: disk"), "{told}");
}
