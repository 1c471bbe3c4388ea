//! `author_association`: what the author is to the repository.

use serde_json::{Value, json};

use super::phrase::{Quoted, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, closest, texts, wrong};
use super::{Look, Scene};

/// GitHub's words (GraphQL `CommentAuthorAssociation`).
const ASSOCIATIONS: [&str; 8] =
    ["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER", "MANNEQUIN", "NONE"];

#[derive(Clone, Debug)]
pub(super) struct AuthorAssociation(Vec<String>);

impl Look for AuthorAssociation {
    const NAME: &'static str = "author_association";
    const HELP: &'static str = "What the author is to the repository, in GitHub's words: one, or a list of which one \
        is enough.";
    const EXAMPLE: &'static str = "author_association: [FIRST_TIME_CONTRIBUTOR, NONE]";

    fn parse(written: &Value) -> Parsed<Self> {
        let words = texts(written, "an association")?;
        let mut errors = Vec::new();
        for (index, word) in words.iter().enumerate() {
            if ASSOCIATIONS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                continue;
            }
            let error = wrong(match closest(word, ASSOCIATIONS) {
                Some(near) => format!("GitHub has no association {}: did you mean `{near}`?", Quoted(word)),
                None => format!("GitHub has no association {}: there are {}", Quoted(word), ASSOCIATIONS.join(", ")),
            });
            errors.extend(error.into_iter().map(|error| match written {
                Value::Array(_) => error.under(&index.to_string()),
                _ => error,
            }));
        }
        if errors.is_empty() { Ok(Self(words)) } else { Err(errors) }
    }

    fn schema() -> Value {
        json!({"anyOf": [
            {"enum": ASSOCIATIONS},
            {"type": "array", "items": {"enum": ASSOCIATIONS}, "minItems": 1},
        ]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let association = &scene.item()?.author_association;
        let holds = self.0.iter().any(|wanted| wanted.eq_ignore_ascii_case(association));
        let wanted = one_of(&self.0);
        seen(holds, format!("author is {}, {}{wanted}", Quoted(association), if holds { "" } else { "not " }))
    }
}
