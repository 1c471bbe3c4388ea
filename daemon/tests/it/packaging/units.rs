//! systemd reads the units, and finds little that the daemon could do beyond its work.

use std::fs;
use std::process::Command;

use super::{run, top};

/// In tenths: what the network, sockets and seeing the system's users count.
const MOST_EXPOSURE: u32 = 12;

/// All units with the tested program in the place of the installed one, which need not be there.
fn units() -> (tempfile::TempDir, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for file in top().join("systemd").read_dir().unwrap().map(|file| file.unwrap().path()) {
        let Some(kind) = file.extension() else { continue };
        if kind != "service" && kind != "socket" && kind != "timer" {
            continue;
        }
        let to = directory.path().join(file.file_name().unwrap());
        let text = fs::read_to_string(&file).unwrap().replace("/usr/bin/orchd", env!("CARGO_BIN_EXE_orchd"));
        fs::write(&to, text).unwrap();
        units.push(to.to_str().unwrap().to_owned());
    }
    assert_eq!(units.len(), 4, "{units:?}");
    (directory, units)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let (_directory, units) = units();
    let mut verify = Command::new("systemd-analyze");
    // Their pages are not installed here.
    verify.args(["verify", "--man=no"]).args(&units);
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

#[test]
fn services_may_do_little_beyond_their_work() {
    for service in ["orchd.service", "orchd-backup.service"] {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=yes", "--no-pager", &format!("--threshold={MOST_EXPOSURE}")]);
        let told = run(security.arg(top().join("systemd").join(service)));
        assert!(told.contains("Overall exposure level"), "{told}");
    }
}
