//! Packages from npm that tests look at, installed once below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs `package` (`name@version`); gives its `node_modules`. Fails the test when it cannot: nothing is skipped.
pub fn install(package: &str) -> PathBuf {
    let name = package.rsplit_once('@').map_or(package, |(name, _)| name);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/npm").join(package.replace(['/', '@'], "_"));
    std::fs::create_dir_all(&dir).unwrap();
    // Tests run side by side, in one process or many: one of them installs.
    let lock = std::fs::File::create(dir.join(".lock")).unwrap();
    lock.lock().unwrap();
    let modules = dir.join("node_modules");
    if !modules.join(name).join("package.json").exists() {
        let done = Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix"])
            .arg(&dir)
            .arg(package)
            .status()
            .expect("npm is needed: `make test` installs it");
        assert!(done.success(), "npm could not install {package}");
    }
    modules
}
