#![allow(clippy::unwrap_used)]

use std::path::Component;

use proptest::prelude::*;

use super::*;

fn entry(path: FileName) -> Entry {
    Entry { path, size: 3, sha256: Digest::START }
}

fn manifest(database: Kind, objects: &[&str]) -> Manifest {
    let mut manifest = Manifest::new(database, 12, DateTime::UNIX_EPOCH, Counts::default());
    manifest.files.push(entry(database.file()));
    manifest.files.extend(objects.iter().map(|name| entry(FileName::Object(ObjectName::parse(name).unwrap()))));
    manifest
}

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text.as_bytes()).map_err(|flaw| match flaw {
        Flaw::Newer(format) => format!("newer: {format}"),
        Flaw::Malformed(reason) => reason,
    })
}

fn text(manifest: &Manifest) -> String {
    serde_json::to_string(manifest).unwrap()
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let good = text(&manifest(Kind::Sqlite, &["a.json.zst"]));
    assert_eq!(parse(&good).unwrap(), manifest(Kind::Sqlite, &["a.json.zst"]));
    for hostile in [
        "../x",
        "/etc/passwd",
        "objects/../../x",
        "objects/..",
        "objects/.x",
        "objects/",
        "objects//x",
        "objects/a/b",
        "objects\\\\x",
        "objects/a\\u0000b",
        "objects/a\\nb",
        "./objects/x",
        "manifest.json",
        "",
    ] {
        let refused = parse(&good.replace("objects/a.json.zst", hostile)).unwrap_err();
        assert!(refused.contains("is not a file of a backup"), "{hostile}: {refused}");
    }
}

#[test]
fn a_manifest_names_one_database_of_its_kind_and_nothing_twice() {
    for (bad, complaint) in [
        (text(&manifest(Kind::Sqlite, &["a", "a"])), "twice"),
        (text(&manifest(Kind::Sqlite, &[])).replace("orchd.db", "orchd.dump"), "do not begin with orchd.db"),
        (text(&manifest(Kind::Sqlite, &["a"])).replace("objects/a", "orchd.db"), "do not begin"),
        (text(&manifest(Kind::Postgres, &[])).replace("orchd.dump", "objects/a"), "do not begin with orchd.dump"),
        (text(&manifest(Kind::Sqlite, &[])).replace("\"format\":1", "\"format\":2"), "newer: 2"),
        (text(&manifest(Kind::Sqlite, &[])).replace("\"orchd\"", "\"orch\""), "unknown field"),
        ("{}".to_owned(), "format"),
        (String::new(), "EOF"),
    ] {
        let refused = parse(&bad).unwrap_err();
        assert!(refused.contains(complaint), "{bad}: {refused}");
    }
}

proptest! {
    #[test]
    fn anything_is_a_manifest_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Manifest::parse(&bytes);
    }

    #[test]
    fn a_changed_manifest_names_nothing_outside_its_directory(
        at in 0_usize..1_000,
        with in "[ -~]{0,8}|\\.\\./|/",
        length in 0_usize..4,
    ) {
        let mut text = text(&manifest(Kind::Sqlite, &["a.json.zst", "b"]));
        let at = at % text.len();
        text.replace_range(at..(at + length).min(text.len()), &with);
        if let Ok(manifest) = parse(&text) {
            for entry in &manifest.files {
                let path = entry.path.within(Path::new("/backup"));
                let inside = path.strip_prefix("/backup").unwrap().to_owned();
                prop_assert!(inside.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
                prop_assert!(inside.components().count() <= 2, "{path:?}");
            }
            prop_assert_eq!(parse(&serde_json::to_string(&manifest).unwrap()).unwrap(), manifest);
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        names in proptest::collection::btree_set("[A-Za-z0-9_-][A-Za-z0-9._-]{0,50}", 0..20),
        schema in any::<i64>(),
        micros in 0_i64..4_000_000_000_000_000,
        events in any::<u64>(),
        size in any::<u64>(),
        missing in proptest::collection::vec(".*", 0..3),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut manifest = manifest(Kind::Postgres, &names);
        manifest.schema = schema;
        manifest.taken_at = DateTime::from_timestamp_micros(micros).unwrap();
        manifest.counts.events = events;
        manifest.files[0].size = size;
        manifest.missing_objects = missing;
        prop_assert_eq!(parse(&text(&manifest)).unwrap(), manifest);
    }
}
