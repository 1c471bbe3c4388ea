//! What Podman makes of the quadlets is what systemd takes.

use std::path::Path;
use std::process::Command;

#[test]
fn the_quadlets_become_services_that_systemd_takes() {
    let generator = std::env::var_os("ORCHD_QUADLET").expect("packaging/dev/test-system.sh sets it");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/containers");
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new(generator).arg(dir.path()).env("QUADLET_UNIT_DIRS", shipped).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && !said.to_lowercase().contains("unsupported"), "{said}");

    let names =
        ["orchd", "orchd-postgres", "orchd-network", "orchd-state-volume", "orchd-database-volume", "orchd-run-volume"];
    let services = names.map(|name| dir.path().join(format!("{name}.service")));
    for service in &services {
        assert!(service.exists(), "{} was not made: {said}", service.display());
    }
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(services).output().unwrap();
    let faults = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && faults.is_empty(), "{faults}");
}
