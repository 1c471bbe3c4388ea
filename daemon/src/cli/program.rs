//! Programs that may be installed here or not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whether a program is on the path, or at it.
pub(super) fn is_there(program: &str) -> bool {
    let runs = |path: &Path| path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return runs(Path::new(program));
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| runs(&folder.join(program))))
}
