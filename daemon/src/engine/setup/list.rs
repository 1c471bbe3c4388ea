//! How far it is: a line for each thing that has to be so.

use super::{Installed, Setup, State};
use crate::core::rule::Mode;
use crate::core::text::time;
use crate::engine::login::Means;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Done,
    /// Somebody else has to do something.
    Waits,
    /// Whoever sets orchd up has to do something.
    Wrong,
}

/// One thing that has to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub standing: Standing,
    pub what: &'static str,
    /// What is so, or what to do. May have more than one line.
    pub detail: String,
}

fn line(what: &'static str, standing: Standing, detail: impl Into<String>) -> Line {
    Line { standing, what, detail: detail.into() }
}

impl Setup {
    /// All of them, in the order in which they come to be.
    pub fn list(&self) -> Vec<Line> {
        let state = self.state();
        let Some(app) = state.app.as_ref().map(|app| &app.record) else {
            return vec![line("The App", Standing::Waits, "Press the button on the page to create it on GitHub.")];
        };
        let made = format!("{} (id {}) of {}: {}", app.name, app.id, app.owner, app.html_url);
        let stored = format!("In {}, readable by its owner alone.", self.plan.places.credentials.display());
        let mut lines = vec![
            line("The App", Standing::Done, made),
            line("Key and secrets", Standing::Done, stored),
            self.about_config(&state),
            self.about_webhook(&state),
            about_permissions(&state, &app.html_url),
            about_installation(&state, &app.html_url),
            self.about_login(&state),
        ];
        if let Some(trouble) = &state.trouble {
            lines.push(line("GitHub", Standing::Waits, format!("{trouble}. It is asked again.")));
        }
        lines
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.list().iter().all(|line| line.standing == Standing::Done)
    }

    fn about_config(&self, state: &State) -> Line {
        let file = self.plan.places.config.display();
        match &state.config {
            Some(Ok(config)) => {
                let active = config.rules.iter().filter(|rule| rule.mode == Mode::Active).count();
                let rules = config.rules.len();
                line("The config", Standing::Done, format!("{file} is valid: {rules} rules, {active} of them active."))
            }
            Some(Err(why)) => line("The config", Standing::Wrong, format!("{file}: {why}")),
            None => line("The config", Standing::Waits, format!("{file} is not written yet.")),
        }
    }

    fn about_webhook(&self, state: &State) -> Line {
        let url = self.plan.webhook_url();
        match &state.delivered {
            Some(event) => {
                line("The webhook", Standing::Done, format!("`{event}` came to {url} with a good signature."))
            }
            None => {
                let waits = format!(
                    "GitHub was asked to send its `ping` to {url} once more; nothing came with a good signature yet."
                );
                line("The webhook", Standing::Waits, waits + &until(state))
            }
        }
    }

    fn about_login(&self, state: &State) -> Line {
        const WHAT: &str = "Signing in";
        match &state.config {
            Some(Ok(config)) => match Means::of(config) {
                Ok(_) => {
                    let nobody = if config.access.admins.is_empty() {
                        " Nobody is admin yet: name logins or teams in `access.admins`."
                    } else {
                        ""
                    };
                    let at = format!("At {}/login, once orchd runs.{nobody}", self.plan.public_url);
                    line(WHAT, Standing::Done, at)
                }
                Err(why) => line(WHAT, Standing::Wrong, format!("Nobody can: {why}.")),
            },
            _ => line(WHAT, Standing::Waits, "It takes a config that is valid."),
        }
    }
}

fn about_permissions(state: &State, html_url: &str) -> Line {
    const WHAT: &str = "Permissions and events";
    match &state.lacks {
        None => line(WHAT, Standing::Waits, "GitHub has not told yet what the App may do."),
        Some(lacks) if lacks.is_empty() => line(WHAT, Standing::Done, "The App has what its rules need."),
        Some(lacks) => {
            let lacks = lacks.join("; ");
            line(WHAT, Standing::Wrong, format!("The App lacks {lacks}. Add it in the App's settings: {html_url}."))
        }
    }
}

fn about_installation(state: &State, html_url: &str) -> Line {
    const WHAT: &str = "Installation";
    match &state.installed {
        Some(Installed { accounts, repositories, more }) => {
            let least = if *more { "at least " } else { "" };
            let noun = if *repositories == 1 { "repository" } else { "repositories" };
            line(WHAT, Standing::Done, format!("On {least}{repositories} {noun} of {}.", accounts.join(", ")))
        }
        None => {
            let how = format!("Choose the repositories at {html_url}/installations/new, now or later.");
            line(WHAT, Standing::Waits, how + &until(state))
        }
    }
}

fn until(state: &State) -> String {
    state.until.map(|until| format!(" This waits until {} UTC.", time(until))).unwrap_or_default()
}
