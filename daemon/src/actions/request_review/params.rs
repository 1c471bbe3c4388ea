//! What a rule writes: whom to ask, how many of them, and how these are chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::core::reviewer::Reviewer;

/// As many names as a rule may list, and as many reviews as it may ask for.
const MOST: usize = 100;

/// The word for those who own the changed files.
const CODEOWNERS: &str = "codeowners";

/// As written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::actions) struct Written {
    /// `codeowners` (whoever owns the changed files, by the CODEOWNERS of the base branch), or a list of logins and teams
    /// (`org/team`).
    from: Names,
    /// How many reviews are wanted, of these; who is asked already or has reviewed counts. All of a list, and 1 of
    /// `codeowners`, when left out.
    count: Option<usize>,
    /// How `count` are chosen; `round_robin` when left out.
    strategy: Option<Strategy>,
    /// Logins and teams that are not asked.
    #[serde(default)]
    exclude: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Names {
    Word(String),
    List(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    /// Everybody.
    All,
    /// Who has the fewest open requests in this repository. Lists its open pull requests: one request for each 100.
    Load,
    /// In turn, by the number of the pull request. Costs nothing.
    RoundRobin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    CodeOwners,
    /// Sorted, each once.
    Named(Vec<Reviewer>),
}

/// How some are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Load,
    RoundRobin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// Teams are asked as teams.
    All,
    /// People: a team stands for its members. At least one.
    Some { count: usize, by: By },
}

/// What the rule asks for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub(in crate::actions) struct Params {
    pub(super) from: Source,
    pub(super) pick: Pick,
    pub(super) exclude: Vec<Reviewer>,
}

fn parse_all(key: &str, names: Vec<String>) -> Result<Vec<Reviewer>, String> {
    if names.len() > MOST {
        return Err(format!("`{key}` has {} names, at most {MOST}", names.len()));
    }
    let parse = |name: &String| Reviewer::parse(name).map_err(|error| format!("`{key}`: {error}"));
    let mut parsed = names.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    parsed.sort();
    parsed.dedup();
    Ok(parsed)
}

impl TryFrom<Written> for Params {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let from = match written.from {
            Names::Word(word) if word == CODEOWNERS => Source::CodeOwners,
            Names::Word(word) => {
                return Err(format!("`from: {word}` is unknown: write `codeowners` or a list of names"));
            }
            Names::List(names) if names.is_empty() => return Err("`from` names nobody".to_owned()),
            Names::List(names) if names.iter().any(|name| name == CODEOWNERS) => {
                return Err("`codeowners` stands alone: write `from: codeowners`".to_owned());
            }
            Names::List(names) => Source::Named(parse_all("from", names)?),
        };
        let by = match written.strategy {
            Some(Strategy::Load) => By::Load,
            Some(Strategy::RoundRobin | Strategy::All) | None => By::RoundRobin,
        };
        let pick = match (written.count, written.strategy, &from) {
            (Some(_), Some(Strategy::All), _) => {
                return Err("`strategy: all` asks everybody: leave `count` out".to_owned());
            }
            (Some(count), ..) if !(1..=MOST).contains(&count) => return Err(format!("`count` is 1 to {MOST}")),
            (Some(count), ..) => Pick::Some { count, by },
            (None, Some(Strategy::All), _) | (None, None, Source::Named(_)) => Pick::All,
            (None, _, Source::CodeOwners) => Pick::Some { count: 1, by },
            (None, Some(_), Source::Named(_)) => {
                return Err("the strategy chooses some of a list: say how many with `count`".to_owned());
            }
        };
        Ok(Self { from, pick, exclude: parse_all("exclude", written.exclude)? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(params: Value) -> Result<Params, String> {
        serde_json::from_value(params).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_all_of_a_list_and_one_code_owner() {
        let pick = |params| read(params).unwrap().pick;
        assert_eq!(pick(json!({"from": ["alice"]})), Pick::All);
        assert_eq!(pick(json!({"from": "codeowners"})), Pick::Some { count: 1, by: By::RoundRobin });
        assert_eq!(pick(json!({"from": "codeowners", "strategy": "load"})), Pick::Some { count: 1, by: By::Load });
        assert_eq!(pick(json!({"from": "codeowners", "strategy": "all"})), Pick::All);
        assert_eq!(pick(json!({"from": ["a", "b"], "count": 1})), Pick::Some { count: 1, by: By::RoundRobin });
        let named = read(json!({"from": ["bob", "@Alice", "acme/docs", "alice"]})).unwrap().from;
        let Source::Named(named) = named else { panic!("a list") };
        assert_eq!(named.iter().map(ToString::to_string).collect::<Vec<_>>(), ["acme/docs", "Alice", "bob"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_clear_words() {
        for (params, why) in [
            (json!({"from": "alice"}), "write `codeowners` or a list"),
            (json!({"from": []}), "names nobody"),
            (json!({"from": ["codeowners", "bob"]}), "stands alone"),
            (json!({"from": ["a b"]}), "neither a login nor a team"),
            (json!({"from": ["a"], "exclude": ["a/b/c"]}), "`exclude`: `a/b/c` is neither"),
            (json!({"from": ["a"], "count": 0}), "`count` is 1 to 100"),
            (json!({"from": ["a"], "count": 2, "strategy": "all"}), "leave `count` out"),
            (json!({"from": ["a"], "strategy": "load"}), "say how many"),
            (json!({"from": ["a"], "strategy": "random"}), "unknown variant `random`"),
            (json!({"form": ["a"]}), "unknown field `form`"),
            (json!({}), "missing field `from`"),
        ] {
            let said = read(params.clone()).unwrap_err();
            assert!(said.contains(why), "{params}: {said}");
        }
    }
}
