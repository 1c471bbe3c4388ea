//! What is shipped beside the binary, tried as whoever installs it would.

mod watching;
