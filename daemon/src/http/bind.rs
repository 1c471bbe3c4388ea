//! Where connections come from: a TCP address, a Unix socket, or sockets that systemd opened for us.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};

/// Owner and group may talk to the daemon.
const SOCKET_MODE: u32 = 0o660;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; removed with this value when we made it.
#[derive(Debug)]
pub struct SocketFile(Option<PathBuf>);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may be gone already, and nobody is left to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Why a listener could not be had, in a sentence for the person who starts the daemon.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {address}: {source}")]
    Tcp { address: SocketAddr, source: io::Error },
    #[error("cannot listen on {}: {source}", path.display())]
    Unix { path: PathBuf, source: io::Error },
    #[error("another daemon listens on {}: stop it, or set another server.admin_socket", .0.display())]
    Taken(PathBuf),
    #[error("{} is not a socket: remove it, or set another server.admin_socket", .0.display())]
    NotASocket(PathBuf),
    #[error("a socket passed by systemd cannot be used: {0}")]
    Inherited(io::Error),
}

impl Listener {
    /// Binds a TCP address.
    pub async fn tcp(address: SocketAddr) -> Result<Self, BindError> {
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self::Tcp(listener)),
            Err(source) => Err(BindError::Tcp { address, source }),
        }
    }

    /// Binds a Unix socket with mode 0660, which it has from the first moment somebody can reach it. A file left behind by a daemon that is gone is replaced; one that somebody
    /// listens on, or that is no socket, is refused.
    pub fn unix(path: &Path) -> Result<Self, BindError> {
        clear_stale(path)?;
        let failed = |source| BindError::Unix { path: path.to_owned(), source };
        let listener = bind_unseen(path).map_err(failed)?;
        Ok(Self::Unix(listener, SocketFile(Some(path.to_owned()))))
    }

    /// The address that was bound; `None` for a Unix socket. Tells tests which port they got.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

/// Sockets that systemd passed: the first TCP one is for the public, the first Unix one for the admin API.
#[derive(Debug, Default)]
pub struct Inherited {
    pub public: Option<Listener>,
    pub admin: Option<Listener>,
}

impl Inherited {
    /// Takes them from the environment (`LISTEN_FDS`). Must run inside the runtime.
    pub fn take() -> Result<Self, BindError> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut taken = Self::default();
        for index in 0..passed.len() {
            if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
                listener.set_nonblocking(true).map_err(BindError::Inherited)?;
                let listener = TcpListener::from_std(listener).map_err(BindError::Inherited)?;
                taken.public.get_or_insert(Listener::Tcp(listener));
            } else if let Some(listener) = passed.take_unix_listener(index).map_err(BindError::Inherited)? {
                listener.set_nonblocking(true).map_err(BindError::Inherited)?;
                let listener = UnixListener::from_std(listener).map_err(BindError::Inherited)?;
                taken.admin.get_or_insert(Listener::Unix(listener, SocketFile(None)));
            }
        }
        Ok(taken)
    }
}

/// Until its mode is set the umask decides who may connect to a socket: that happens in a directory nobody else may enter.
fn bind_unseen(path: &Path) -> io::Result<UnixListener> {
    // A short name: the path of a socket has at most some hundred bytes.
    let directory = path.with_file_name(format!(".{:04x}", rand::random::<u16>()));
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    let socket = directory.join("s");
    let bound = UnixListener::bind(&socket).and_then(|listener| {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(SOCKET_MODE))?;
        std::fs::rename(&socket, path)?;
        Ok(listener)
    });
    if bound.is_err() {
        // It may not be there at all; the error that counts is the other one.
        let _ = std::fs::remove_file(&socket);
    }
    // Left behind it would do no harm.
    let _ = std::fs::remove_dir(&directory);
    bound
}

fn clear_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Unix { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(BindError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orchd.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let living = Listener::unix(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(matches!(Listener::unix(&path), Err(BindError::Taken(_))));
        let beside = directory.path().read_dir().unwrap().count();
        assert_eq!(beside, 1, "nothing is left beside the socket");
        drop(living);
        assert!(!path.exists(), "the socket file goes with the listener");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orchd.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::unix(&path), Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
