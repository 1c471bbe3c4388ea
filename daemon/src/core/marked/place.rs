//! Places in files, and what is wrong there.

/// Where something stands. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which file, by the number that the caller gave it.
    pub file: usize,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The beginning of a file: where what is missing is reported.
    pub fn start_of(file: usize) -> Self {
        Self { file, line: 1, column: 1 }
    }
}

/// Something that no file may hold, whatever it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    pub message: String,
    /// Of a key that stands twice: where it stands first.
    pub first: Option<Place>,
}
