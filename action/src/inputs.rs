//! The step's inputs (`with:`), as the runner hands them over: `INPUT_NAME`. It enforces neither `required` nor names, so
//! that is done here.

use std::collections::BTreeMap;

use orchd::config::suggest::did_you_mean;
use orchd::core::text::{harmless, shortened};
use secrecy::SecretString;

use crate::failure::Failure;

/// What the runner sets for itself when a workflow names them.
const OF_THE_RUNNER: [&str; 2] = ["args", "entrypoint"];
const PREFIX: &str = "INPUT_";

/// An input that there is. Its name has no hyphens and no spaces: the runner keeps the first and changes the second.
#[derive(Debug, PartialEq, Eq)]
pub struct Input {
    pub name: &'static str,
    pub about: &'static str,
    /// What it is when nobody sets it; empty: nothing.
    pub default: &'static str,
    pub values: Values,
}

/// What an input may be.
#[derive(Debug, PartialEq, Eq)]
pub enum Values {
    Text,
    /// Is masked before anything is printed.
    Secret,
    Flag,
    OneOf(&'static [&'static str]),
}

/// Inputs that more than one mode reads.
pub const TOKEN: Input = Input {
    name: "token",
    about: "Token to ask and change GitHub with; what it may do is what `permissions:` of the job allow",
    default: "${{ github.token }}",
    values: Values::Secret,
};
pub const CONFIG: Input = Input {
    name: "config",
    about: "The repository's file of rules, below its root",
    default: ".github/orchd.yml",
    values: Values::Text,
};

/// What was set. Values are trimmed; an empty one is as one that nobody set.
#[derive(Debug)]
pub struct Inputs {
    set: BTreeMap<String, String>,
}

impl Inputs {
    pub fn read(variables: &BTreeMap<String, String>) -> Self {
        let of = |(name, value): (&String, &String)| {
            let name = name.strip_prefix(PREFIX)?.to_lowercase();
            let value = value.trim();
            (!value.is_empty()).then(|| (name, value.to_owned()))
        };
        Self { set: variables.iter().filter_map(of).collect() }
    }

    fn get(&self, input: &Input) -> Option<&str> {
        // An expression is what `action.yml` says; outside of a runner nobody has worked it out.
        let default = Some(input.default).filter(|default| !default.is_empty() && !default.starts_with("${{"));
        self.set.get(input.name).map(String::as_str).or(default)
    }

    pub fn text(&self, input: &Input) -> Option<&str> {
        self.get(input)
    }

    /// # Errors
    /// When it is not set.
    pub fn required(&self, input: &Input) -> Result<&str, Failure> {
        self.get(input).ok_or_else(|| {
            let must = match input.values {
                Values::OneOf(words) => format!("it is one of {}", list(words)),
                Values::Flag => "it is `true` or `false`".to_owned(),
                Values::Text | Values::Secret => format!("{}{}", input.about[..1].to_lowercase(), &input.about[1..]),
            };
            Failure::setup(format!("input `{}` is missing or empty: {must}", input.name))
        })
    }

    pub fn secret(&self, input: &Input) -> Option<SecretString> {
        self.get(input).map(SecretString::from)
    }

    /// # Errors
    /// When it is not set.
    pub fn required_secret(&self, input: &Input) -> Result<SecretString, Failure> {
        self.required(input).map(SecretString::from)
    }

    /// As YAML 1.2 writes booleans; not set: false.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, input: &Input) -> Result<bool, Failure> {
        match self.get(input) {
            Some("true" | "True" | "TRUE") => Ok(true),
            None | Some("false" | "False" | "FALSE") => Ok(false),
            Some(other) => {
                Err(Failure::setup(format!("input `{}` is {}: it is `true` or `false`", input.name, quoted(other))))
            }
        }
    }

    /// One of the words of [`Values::OneOf`].
    ///
    /// # Errors
    /// When it is none of them, or not set.
    pub fn choice(&self, input: &Input) -> Result<&'static str, Failure> {
        let Values::OneOf(words) = input.values else {
            return Err(Failure::failed(format!("input `{}` has no list of values", input.name)));
        };
        let value = self.required(input)?;
        words.iter().copied().find(|word| *word == value).ok_or_else(|| {
            let near = did_you_mean(value, words.iter().copied());
            Failure::setup(format!(
                "input `{}` is {}, which is none of {}{near}",
                input.name,
                quoted(value),
                list(words)
            ))
        })
    }

    /// The lines of an input that are not empty.
    pub fn lines(&self, input: &Input) -> Vec<&str> {
        self.get(input).into_iter().flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect()
    }

    /// Every value that is secret, wherever it is read.
    pub(crate) fn secrets<'a>(
        &'a self,
        known: impl Iterator<Item = &'static Input> + 'a,
    ) -> impl Iterator<Item = SecretString> + 'a {
        known.filter(|input| input.values == Values::Secret).filter_map(|input| self.secret(input))
    }

    /// What was set and has no meaning: for a name that was meant to be another one a failure, since the step would do
    /// something else than was written; else a sentence for the log.
    ///
    /// # Errors
    /// When a name looks like a slip of one that there is.
    pub(crate) fn without_meaning(
        &self,
        all: &[&'static Input],
        read: &[&'static Input],
        mode: &str,
    ) -> Result<Vec<String>, Failure> {
        let mut told = Vec::new();
        for (name, value) in &self.set {
            if name == "mode" || OF_THE_RUNNER.contains(&name.as_str()) || read.iter().any(|input| input.name == name) {
                continue;
            }
            match all.iter().find(|input| input.name == name) {
                Some(known) if known.default == value || known.default.starts_with("${{") => {}
                Some(_) => told.push(format!("input `{name}` has no meaning in mode `{mode}`")),
                None => {
                    let near = did_you_mean(name, all.iter().map(|input| input.name).chain(["mode"]));
                    if !near.is_empty() {
                        return Err(Failure::setup(format!("there is no input {}{near}", quoted(name))));
                    }
                    told.push(format!("there is no input {}; it is ignored", quoted(name)));
                }
            }
        }
        Ok(told)
    }
}

/// A stranger's word, short and in backticks.
pub(crate) fn quoted(word: &str) -> String {
    format!("`{}`", harmless(&shortened(word)).replace('`', "'"))
}

/// `a`, `b` or `c`
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DRY: Input = Input { name: "dry_run", about: "Try", default: "false", values: Values::Flag };
    const FAIL_ON: Input = Input {
        name: "fail_on",
        about: "When",
        default: "error",
        values: Values::OneOf(&["error", "warning", "never"]),
    };

    fn inputs(set: &[(&str, &str)]) -> Inputs {
        Inputs::read(&set.iter().map(|(name, value)| (format!("INPUT_{name}"), (*value).to_owned())).collect())
    }

    fn why(result: Result<impl std::fmt::Debug, Failure>) -> String {
        result.unwrap_err().annotations()[0].message.clone()
    }

    #[test]
    fn values_are_trimmed_and_empty_ones_are_not_set() {
        let read = inputs(&[("CONFIG", " a.yml\n"), ("TOKEN", "  "), ("DRY_RUN", "TRUE")]);
        assert_eq!(read.text(&CONFIG), Some("a.yml"));
        assert!(read.secret(&TOKEN).is_none(), "an expression is no token");
        assert!(read.flag(&DRY).unwrap());
        assert_eq!(inputs(&[]).text(&CONFIG), Some(".github/orchd.yml"));
        assert!(!inputs(&[("DRY_RUN", "")]).flag(&DRY).unwrap());
    }

    #[test]
    fn a_bad_value_is_told_with_the_good_ones() {
        assert_eq!(why(inputs(&[("DRY_RUN", "yes")]).flag(&DRY)), "input `dry_run` is `yes`: it is `true` or `false`");
        let expected =
            "input `fail_on` is `warnings`, which is none of `error`, `warning` or `never`: did you mean `warning`?";
        assert_eq!(why(inputs(&[("FAIL_ON", "warnings")]).choice(&FAIL_ON)), expected);
        let missing = why(inputs(&[]).required_secret(&TOKEN));
        assert!(
            missing.starts_with("input `token` is missing or empty: token to ask and change GitHub with"),
            "{missing}"
        );
    }

    #[test]
    fn a_slip_in_a_name_fails_and_another_modes_input_is_told() {
        let all: &[&'static Input] = &[&DRY, &FAIL_ON, &CONFIG, &TOKEN];
        let meaning = |set: &[(&str, &str)]| inputs(set).without_meaning(all, &[&DRY], "run");
        assert_eq!(why(meaning(&[("DRY_RUNN", "true")])), "there is no input `dry_runn`: did you mean `dry_run`?");
        let told = meaning(&[("FAIL_ON", "never"), ("ZEBRAS", "1"), ("ARGS", "x"), ("MODE", "run")]).unwrap();
        assert_eq!(told, ["input `fail_on` has no meaning in mode `run`", "there is no input `zebras`; it is ignored"]);
        let defaults = meaning(&[("FAIL_ON", "error"), ("TOKEN", "ghs_x"), ("CONFIG", ".github/orchd.yml")]).unwrap();
        assert!(defaults.is_empty(), "{defaults:?}");
    }
}
