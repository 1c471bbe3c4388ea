//! How a request gets its answer: from memory, or in its turn from GitHub, a read up to four times.

use chrono::Utc;
use http::{Method, StatusCode};
use rand::Rng;
use secrecy::SecretString;

use super::answer::Answer;
use super::limits::{Ask, Cost, Refusal, Resource, Told};
use super::transport::{Outgoing, Sender, Transport};
use super::{GitHubError, gate};

/// Times a read is sent again after a failure.
const RETRIES: u32 = 3;
/// What is asked to find out whether GitHub answers at all. It costs nothing, and any answer but a 5xx will do.
const SIGN_OF_LIFE: &str = "/rate_limit";

/// A request on its way: who sends it, as whom, and where it goes now.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) sender: Sender,
    pub(super) token: Option<&'a SecretString>,
    pub(super) outgoing: &'a Outgoing,
    pub(super) url: &'a str,
}

impl Transport {
    /// A read whose answer is known is asked for with its ETag, or not at all where it is fresh and that will do.
    pub(super) async fn recall_or_send(&self, call: Call<'_>) -> Result<Answer, GitHubError> {
        let Call { sender, outgoing, url, .. } = call;
        if outgoing.method != Method::GET {
            let answer = self.send(call).await;
            // Whatever came of it.
            self.heard.changed(&outgoing.path);
            return answer;
        }
        let asked = self.heard.now();
        let kept = self.answers.find(sender.identity, url).await;
        let count = |outcome| metrics::counter!("orchd_github_cache_total", "outcome" => outcome).increment(1);
        let Some(kept) = kept else {
            let answer = self.send(call).await?;
            count("miss");
            self.answers.keep(sender.identity, url, &answer, asked).await;
            return Ok(answer);
        };
        if sender.recent
            && self.heard.is_fresh(&outgoing.path, kept.asked)
            && let Some(answer) = kept.answer()
        {
            count("hit");
            return Ok(answer);
        }
        let conditional = Outgoing { condition: Some(kept.condition()), ..outgoing.clone() };
        let answer = self.send(Call { outgoing: &conditional, ..call }).await?;
        if answer.status == StatusCode::NOT_MODIFIED
            && let Some(known) = kept.answer()
        {
            count("revalidated");
            self.answers.renew(sender.identity, url, &kept, asked).await;
            return Ok(known);
        }
        count("changed");
        self.answers.keep(sender.identity, url, &answer, asked).await;
        Ok(answer)
    }

    /// Sends a request to where it goes now, a read up to three times more when GitHub fails.
    async fn send(&self, call: Call<'_>) -> Result<Answer, GitHubError> {
        let Call { sender, outgoing, .. } = call;
        let mut wait = self.first_wait;
        let mut left = if gate::is_safe(&outgoing.method) { RETRIES } else { 0 };
        loop {
            let tried = self.send_once(call).await;
            let failed = match &tried {
                Ok(answer) => answer.status.is_server_error(),
                Err(error) => matches!(error, GitHubError::Unavailable(_)),
            };
            if !failed {
                return tried;
            }
            if left == 0 {
                // Is it this request, or GitHub? A job must not pay for the latter.
                let down = !self.is_alive(sender, call.token).await;
                return if down { Err(self.limits.down(sender.identity)) } else { tried };
            }
            left -= 1;
            let part = rand::rng().random_range(0.5..=1.0);
            tokio::time::sleep(wait.mul_f64(part)).await;
            wait *= 2;
        }
    }

    /// Waits for its turn, sends, and tells budget and breaker what came of it.
    async fn send_once(&self, call: Call<'_>) -> Result<Answer, GitHubError> {
        let Call { sender, token, outgoing, url } = call;
        let identity = sender.identity;
        if self.limits.pass(identity, self.timeout * 2).await? && !self.is_alive(sender, token).await {
            return Err(self.limits.down(identity));
        }
        let ask = Ask {
            resource: Resource::of(&outgoing.path),
            cost: Cost::of(&outgoing.method, &outgoing.path),
            priority: sender.priority,
            count: 1,
        };
        let admitted = self.limits.admit(identity, ask).await?;
        let sent = self.exchange(identity, token, outgoing, url).await;
        match &sent {
            Ok(answer) => {
                let told = Told::read(&answer.headers);
                if answer.status.is_server_error() {
                    self.limits.failed(identity, &answered_with(answer));
                } else {
                    self.limits.alive(identity, false);
                }
                if let Some(message) = answer.limit(Utc::now()) {
                    let retry_after = admitted.refused(Refusal::read(&answer.headers), told).await;
                    return Err(GitHubError::Limited { retry_after, message });
                }
                let told_of_no_limit = answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED;
                admitted.answered(told, told_of_no_limit).await;
            }
            Err(GitHubError::Unavailable(cause)) => self.limits.failed(identity, cause),
            Err(_) => {}
        }
        sent
    }

    /// Whether GitHub answers at all. Counts for the breaker, and for no budget.
    async fn is_alive(&self, sender: Sender, token: Option<&SecretString>) -> bool {
        let url = format!("{}{}{SIGN_OF_LIFE}", self.origin, self.base);
        let sent = self.exchange(sender.identity, token, &Outgoing::get(SIGN_OF_LIFE), &url).await;
        let cause = match sent {
            Ok(answer) if answer.status.is_server_error() => Some(answered_with(&answer)),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        match &cause {
            None => self.limits.alive(sender.identity, true),
            Some(cause) => self.limits.failed(sender.identity, cause),
        }
        cause.is_none()
    }
}

fn answered_with(answer: &Answer) -> String {
    format!("it answered {}", answer.status)
}
