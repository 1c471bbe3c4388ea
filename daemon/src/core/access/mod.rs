//! Who may see and do what: levels, scopes, and the one table of what can be asked of the daemon.
//!
//! What a person may do follows from GitHub: the level in a repository is that of their role there, and the config may
//! raise it for all repositories. A key or token may do less than its owner, never more.

mod event;
mod key;
mod level;
mod operation;
mod scope;

pub use event::level_to_see;
pub use key::{KeyHash, KeyText, NotAKey, Presented};
pub use level::{Level, Sight};
pub use operation::{Needs, OPERATIONS, Op, Operation, fits};
pub use scope::{Scope, Scopes};
