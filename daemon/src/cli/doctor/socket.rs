//! The admin socket: the file, and whether anybody listens on it.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;

use super::scene::Scene;
use super::{Check, Seen};

pub(super) const CHECK: Check = Check { name: "socket", after: &[], afar: false, look: |scene| Box::pin(look(scene)) };

/// For a local connection.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// What has to be done when no daemon runs.
pub(super) const START: &str = "systemctl start orchd";

/// Where the daemon listens to commands.
pub(super) fn path(scene: &Scene) -> Option<PathBuf> {
    scene.asked.socket.clone().or_else(|| scene.config.server.admin_socket.clone())
}

async fn look(scene: &Scene) -> Seen {
    let Some(path) = path(scene) else {
        return Seen::warning(
            "the config has no server.admin_socket: no command on this machine reaches the daemon",
            "set server.admin_socket, such as /run/orchd/orchd.sock, and systemctl restart orchd",
        );
    };
    let shown = path.display();
    let metadata = match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Seen::warning(format!("no daemon runs: {shown} is not there"), START);
        }
        Err(error) => return unusable(&path, &error),
    };
    if !metadata.file_type().is_socket() {
        return Seen::fault(
            format!("{shown} is not a socket"),
            format!("rm {shown} and systemctl restart orchd, or set another server.admin_socket"),
        );
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let told = format!("anybody on this machine may command the daemon over {shown} (mode {mode:04o})");
        return Seen::fault(told, format!("chmod 660 {shown}"));
    }
    match tokio::time::timeout(CONNECTS_WITHIN, UnixStream::connect(&path)).await {
        Ok(Ok(_)) => Seen::well(format!("somebody listens on {shown} (mode {mode:04o})")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Seen::warning(format!("no daemon runs: {shown} was left behind by one that is gone"), START)
        }
        Ok(Err(error)) => unusable(&path, &error),
        Err(_elapsed) => Seen::fault(format!("{shown} takes no connection"), "systemctl restart orchd"),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Seen {
    let told = format!("{} cannot be used: {error}", path.display());
    Seen::fault(told, "run this as root, or join the group that the socket belongs to")
}
