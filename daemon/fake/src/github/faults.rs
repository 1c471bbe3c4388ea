//! What goes wrong, scripted by a test.

use std::sync::Arc;
use std::time::Duration;

/// The next requests that match fail in a given way.
#[derive(Clone, Debug)]
pub struct Fault {
    method: String,
    prefix: String,
    /// How many requests that match go by first.
    pass: u32,
    pub(crate) left: u32,
    pub(crate) latency: Duration,
    /// Whether the request is carried out all the same, and only its answer is lost.
    pub(crate) after: bool,
    pub(crate) ending: Ending,
    pub(crate) meanwhile: Option<Meanwhile>,
}

/// What happens just before a request is carried out.
#[derive(Clone)]
pub(crate) struct Meanwhile(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// Answers as usual.
    Normal,
    Status {
        code: u16,
        headers: Vec<(String, String)>,
        message: String,
    },
    Hang,
    Close,
}

impl Fault {
    /// For one request with this method (`*`: any) whose path starts with `prefix`.
    pub fn on(method: &str, prefix: &str) -> Self {
        Self {
            method: method.to_uppercase(),
            prefix: prefix.to_owned(),
            pass: 0,
            left: 1,
            latency: Duration::ZERO,
            after: false,
            ending: Ending::Normal,
            meanwhile: None,
        }
    }

    /// This happens on GitHub after the request was sent and before it is carried out.
    pub fn meanwhile(mut self, happens: impl Fn() + Send + Sync + 'static) -> Self {
        self.meanwhile = Some(Meanwhile(Arc::new(happens)));
        self
    }

    /// For the next `count` requests.
    pub fn times(mut self, count: u32) -> Self {
        self.left = count;
        self
    }

    /// Not for the first `count` of them.
    pub fn passes(mut self, count: u32) -> Self {
        self.pass = count;
        self
    }

    /// Carries the request out first: the write happens, its answer does not arrive.
    pub fn after_doing(mut self) -> Self {
        self.after = true;
        self
    }

    pub fn slow(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    pub fn status(self, code: u16) -> Self {
        let message = match code {
            500 => "Server Error",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Refused by the test",
        };
        self.ends(Ending::Status { code, headers: Vec::new(), message: message.to_owned() })
    }

    /// 403 of the primary limit: `remaining` is 0 and `reset` is `wait` ahead.
    pub fn primary_limit(self, wait: Duration) -> Self {
        let reset = chrono::Utc::now().timestamp() + i64::try_from(wait.as_secs()).unwrap_or(0);
        let headers = vec![
            ("x-ratelimit-remaining".to_owned(), "0".to_owned()),
            ("x-ratelimit-reset".to_owned(), reset.to_string()),
        ];
        let message = "API rate limit exceeded for installation.".to_owned();
        self.ends(Ending::Status { code: 403, headers, message })
    }

    /// 403 of the secondary limit: `retry-after` when given, else only the message says so.
    pub fn secondary_limit(self, wait: Option<Duration>) -> Self {
        let headers = wait.map(|wait| ("retry-after".to_owned(), wait.as_secs().to_string())).into_iter().collect();
        let message =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.".to_owned();
        self.ends(Ending::Status { code: 403, headers, message })
    }

    /// 429 with `retry-after`.
    pub fn too_many(self, wait: Duration) -> Self {
        let headers = vec![("retry-after".to_owned(), wait.as_secs().to_string())];
        self.ends(Ending::Status { code: 429, headers, message: "Too many requests".to_owned() })
    }

    /// Never answers.
    pub fn hangs(self) -> Self {
        self.ends(Ending::Hang)
    }

    /// Closes the connection without an answer.
    pub fn closes(self) -> Self {
        self.ends(Ending::Close)
    }

    fn ends(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.left > 0 && (self.method == "*" || self.method == method) && path.starts_with(&self.prefix)
    }
}

/// The fault that this request meets, used up by one.
pub(crate) fn strike(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<Fault> {
    let place = faults.iter().position(|fault| fault.fits(method, path))?;
    if faults[place].pass > 0 {
        faults[place].pass -= 1;
        return None;
    }
    faults[place].left -= 1;
    let struck = faults[place].clone();
    faults.retain(|fault| fault.left > 0);
    Some(struck)
}
