//! One list says what is installed where: that of the package, which `make install` reads too.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::{run, top};

/// As `daemon/Cargo.toml` has them.
struct Asset {
    source: String,
    to: String,
    mode: u32,
}

fn assets() -> Vec<Asset> {
    let listed = run(&mut Command::new(top().join("packaging/dev/assets.sh")));
    let assets = listed.lines().map(|line| {
        let [source, to, mode] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Asset { source: source.to_owned(), to: to.to_owned(), mode: u32::from_str_radix(mode, 8).unwrap() }
    });
    assets.collect()
}

/// Installs below `root` of the directory; what the list takes from `target/stage` is in `stage`.
fn install(directory: &Path, prefix: &str) {
    let mut install = Command::new(top().join("packaging/dev/install.sh"));
    install.env("ORCHD_BINARY", env!("CARGO_BIN_EXE_orchd")).env("ORCHD_STAGE", directory.join("stage"));
    run(install.env("DESTDIR", directory.join("root")).env("PREFIX", prefix));
}

/// The files in a directory whose names end so.
fn pages(directory: &Path, section: &str) -> BTreeSet<String> {
    let names = directory.read_dir().unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(section)).collect()
}

#[test]
fn every_line_of_the_list_is_read() {
    let manifest = fs::read_to_string(top().join("daemon/Cargo.toml")).unwrap();
    let (_, list) = manifest.split_once("\nassets = [\n").unwrap();
    let (list, _) = list.split_once("\n]").unwrap();
    assert_eq!(assets().len(), list.lines().count(), "{list}");
}

#[test]
fn what_the_package_lists_exists_and_is_installed_there() {
    let directory = tempfile::tempdir().unwrap();
    install(directory.path(), "/usr");
    let root = directory.path().join("root");
    for Asset { source, to, mode } in assets() {
        let source = match source.strip_prefix("target/stage") {
            Some(made) => format!("{}/stage{made}", directory.path().display()),
            None => top().join(source).to_str().unwrap().to_owned(),
        };
        if let Some((staged, section)) = source.split_once("/*") {
            let made = pages(Path::new(staged), section);
            let some = if section == ".5" { "orchd.yaml.5" } else { "orchd-events-list.1" };
            assert!(made.contains(some), "{made:?}");
            assert_eq!(pages(&root.join(to), section), made);
            continue;
        }
        let text = fs::read(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        // Only Debian's tools read these.
        if to == "usr/share/doc/orchd/changelog" || to.starts_with("usr/share/lintian/") {
            continue;
        }
        let place = if to.starts_with("lib/") { root.join("usr").join(&to) } else { root.join(&to) };
        let found = fs::metadata(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{to}");
        if !to.ends_with(".service") {
            assert!(fs::read(&place).unwrap() == text, "{to} is {source}");
        }
    }
}

#[test]
fn another_prefix_is_in_the_units_and_settings_that_are_there_stay() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let settings = root.join("etc/default/orchd");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, "ORCHD_LOG=debug\n").unwrap();
    install(directory.path(), "/usr/local");
    assert_eq!(fs::read_to_string(&settings).unwrap(), "ORCHD_LOG=debug\n");
    assert!(root.join("usr/local/bin/orchd").is_file());
    let unit = fs::read_to_string(root.join("usr/local/lib/systemd/system/orchd.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/local/bin/orchd serve\n"), "{unit}");
}

#[test]
fn every_maintainer_script_is_a_shell_script() {
    for name in ["preinst", "postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(top().join("packaging/debian").join(name)));
    }
}
