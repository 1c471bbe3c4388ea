//! Ports for servers that bind them themselves.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nothing uses. Below those that the system gives out by itself: between this look and the server's bind
/// another test's connection could be given such a one.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Test runs side by side begin at different places.
    let begin = (std::process::id() % 200) as u16 * 100;
    loop {
        let port = 10_000 + (begin + TAKEN.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
