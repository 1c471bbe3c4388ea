//! Conditions: the tree a rule's `if` is, and its evaluation.
//!
//! Owns `all`, `any`, `not`, three-valued evaluation (a leaf whose fact is missing is unknown, and unknown only matters
//! when nothing else settles the tree) and the registry of leaves. Each leaf is one file and one line of
//! the registry, and says in one phrase what it looked at and saw. Refuses to know where facts come from.
//!
//! Invariant: a `Condition` that exists can run. Everything in it is compiled, and evaluating it neither fails, panics
//! nor takes unbounded time, whatever the payload holds.

mod asking;
mod comparison;
mod evaluate;
mod parse;
mod phrase;
mod sight;
mod written;

mod age;
mod assignee;
mod author;
mod author_association;
mod base;
mod body;
mod checks;
mod comment;
mod draft;
mod expr;
mod files;
mod head;
mod label;
mod milestone;
mod review;
mod role;
mod star;
mod state;
mod title;

#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod table;

use serde_json::Value;

use super::event::Event;
use super::explain::Explanation;
use super::facts::{FactKinds, Facts};
use super::vocabulary::Payloads;
use sight::{Seen, Unseen};

/// What a condition is evaluated on.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub event: &'a Event,
    pub facts: &'a Facts,
}

/// A verdict with its trace, and which facts would settle it when it is unknown.
pub struct Evaluated {
    pub explanation: Explanation,
    /// Empty when the verdict is settled, and when what is missing cannot be had.
    pub needs: FactKinds,
}

/// A parsed condition.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Every part holds.
    All(Vec<Condition>),
    /// At least one part holds.
    Any(Vec<Condition>),
    /// The part does not hold.
    Not(Box<Condition>),
    /// One look at the event or its facts.
    Leaf(Leaf),
}

/// One of the registered conditions, compiled.
#[derive(Clone, Debug)]
pub struct Leaf(AnyLeaf);

/// What is wrong with a written condition, and where: `at` is the path inside the condition (keys and indexes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    pub at: Vec<String>,
    pub message: String,
    /// Where in the text that stands there, in characters; `None`: all of it.
    pub offset: Option<usize>,
}

/// A leaf as docs and schema need to know it.
pub struct ConditionKind {
    pub name: &'static str,
    pub help: &'static str,
    /// A whole condition, as YAML.
    pub example: &'static str,
    /// JSON Schema of what is written after the name.
    pub schema: fn() -> Value,
}

impl Condition {
    /// Parses the `if` of a rule (YAML already read into JSON's model). Nests at most 32 deep.
    ///
    /// # Errors
    /// Every mistake, not just the first, each with its place.
    pub fn parse(written: &Value) -> Result<Self, Vec<ConditionError>> {
        parse::condition(written, 0)
    }

    /// What can never be seen at events of these names, though it exists at others.
    pub fn unseen_at<'e>(&self, events: impl IntoIterator<Item = &'e str>) -> Vec<ConditionError> {
        parse::unseen(self, &Payloads::of(events))
    }

    /// Whether it may look at fields of the payload whose names end in `url`.
    pub fn may_see_urls(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::may_see_urls),
            Self::Not(part) => part.may_see_urls(),
            Self::Leaf(leaf) => leaf.0.may_see_urls(),
        }
    }

    /// Evaluates everything that is known. Parts keep the written order in the explanation.
    pub fn evaluate(&self, scene: Scene<'_>) -> Evaluated {
        evaluate::evaluate(self, scene)
    }
}

/// Every leaf there is.
pub fn kinds() -> &'static [ConditionKind] {
    KINDS
}

/// What the registry asks of a leaf.
trait Look: Sized {
    const NAME: &'static str;
    const HELP: &'static str;
    const EXAMPLE: &'static str;
    /// True when looking costs so much more than the other leaves that it is done last among its siblings.
    const DEAR: bool = false;

    fn parse(written: &Value) -> Result<Self, Vec<ConditionError>>;
    fn schema() -> Value;
    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen>;

    /// Whether it may look at fields of the payload whose names end in `url`.
    fn may_see_urls(&self) -> bool {
        false
    }

    /// What it can never see in these payloads.
    fn unseen(&self, _: &Payloads) -> Vec<ConditionError> {
        Vec::new()
    }
}

/// Makes the enum over all leaves, their dispatch and their list.
macro_rules! conditions {
    ($($file:ident :: $leaf:ident),+ $(,)?) => {
        #[derive(Clone, Debug)]
        enum AnyLeaf { $($leaf($file::$leaf)),+ }

        static KINDS: &[ConditionKind] = &[$(ConditionKind {
            name: <$file::$leaf as Look>::NAME,
            help: <$file::$leaf as Look>::HELP,
            example: <$file::$leaf as Look>::EXAMPLE,
            schema: <$file::$leaf as Look>::schema,
        }),+];

        impl AnyLeaf {
            /// `None`: there is no leaf of this name.
            fn parse(name: &str, written: &Value) -> Option<Result<Self, Vec<ConditionError>>> {
                $(if name == <$file::$leaf as Look>::NAME {
                    return Some(<$file::$leaf as Look>::parse(written).map(Self::$leaf));
                })+
                None
            }

            fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
                match self { $(Self::$leaf(leaf) => leaf.look(scene)),+ }
            }

            fn unseen(&self, payloads: &Payloads) -> Vec<ConditionError> {
                match self { $(Self::$leaf(leaf) => leaf.unseen(payloads)),+ }
            }

            fn may_see_urls(&self) -> bool {
                match self { $(Self::$leaf(leaf) => leaf.may_see_urls()),+ }
            }

            fn name(&self) -> &'static str {
                match self { $(Self::$leaf(_) => <$file::$leaf as Look>::NAME),+ }
            }

            fn is_dear(&self) -> bool {
                match self { $(Self::$leaf(_) => <$file::$leaf as Look>::DEAR),+ }
            }
        }
    };
}

conditions! {
    label::Label,
    author::Author,
    author_association::AuthorAssociation,
    title::Title,
    body::Body,
    files::Files,
    base::Base,
    head::Head,
    draft::Draft,
    state::State,
    milestone::Milestone,
    assignee::Assignee,
    review::Reviewed,
    checks::Checks,
    age::Age,
    comment::Comment,
    role::AtLeast,
    star::Star,
    expr::Expr,
}
