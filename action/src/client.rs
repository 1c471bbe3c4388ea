//! GitHub, with the token of the step.

use std::time::Duration;

use orchd::github::GitHubError;
use orchd::github::client::{Bearer, GitHub, Settings};
use orchd::github::heard::Heard;
use orchd::github::limits::{BreakerTerms, Budgets, Terms};
use secrecy::{ExposeSecret as _, SecretString};

use crate::context::Clock;
use crate::failure::Failure;
use crate::workflow::Workflow;

/// The App whose tokens workflows are given.
pub const GITHUB_ACTIONS: &str = "github-actions";
/// How tokens of people begin: those of Apps begin with `ghs_`, and old ones with nothing in particular.
const OF_PEOPLE: [&str; 4] = ["ghp_", "github_pat_", "gho_", "ghu_"];
/// For one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of memory for answers.
const CACHE: u64 = 16 << 20;

/// GitHub as the run's token may see it. `slug` is that of the App whose token it is, when it is an App's. Sends nothing yet.
///
/// # Errors
/// When no connection can be made: there are no certificate authorities.
pub fn github(run: &Workflow, token: SecretString, slug: &str, now: Clock) -> Result<GitHub, Failure> {
    let settings = Settings {
        api_url: run.api_url.clone(),
        issuer: None,
        private_key: None,
        timeout: TIMEOUT,
        terms: Terms::default(),
        breaker: BreakerTerms::default(),
        budgets: Budgets::in_memory(now),
        cache: CACHE,
        heard: Heard::nothing(),
    };
    let of_person = OF_PEOPLE.iter().any(|begin| token.expose_secret().starts_with(begin));
    let slug = (!of_person).then(|| slug.to_owned());
    GitHub::with_token(settings, Bearer { token, slug }).map_err(|error| Failure::failed(error.to_string()))
}

/// A failure to ask GitHub, for whoever wrote the workflow. `asking` is what was asked for: "the pull request".
pub fn explained(asking: &str, error: &GitHubError) -> Failure {
    match error {
        GitHubError::Credentials(message) => Failure::setup(format!(
            "GitHub does not take the token ({message}): leave the input `token` out to use the run's own, or renew it"
        )),
        GitHubError::Refused { status: 403, message } => Failure::setup(format!(
            "the token may not see {asking} ({message}): add what it needs to the job's `permissions:`"
        )),
        error => Failure::failed(format!("{asking}: {error}")),
    }
}
