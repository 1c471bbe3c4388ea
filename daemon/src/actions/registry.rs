//! What an action is, and the macro that makes the list of them.

use std::future::Future;
use std::pin::Pin;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Origin, Plan, Reversal, Settled};
use crate::core::command::Command;
use crate::core::hand::{HandChange, Move, Thing};
use crate::core::intent::{ActionKind, Target};
use crate::core::merge::{Line, Wait};
use crate::core::permission::Needs;
use crate::core::subject::SubjectKind;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// An action: a file of this folder with a type `Params` that implements this.
pub(super) trait Action: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// What it reads before and after, stored in the receipt.
    type State: Serialize + DeserializeOwned + Send + Sync;
    /// What it writes, stored before it is written.
    type Change: Serialize + DeserializeOwned + Send + Sync;

    const NAME: &'static str;
    const HELP: &'static str;
    /// The parameters, as YAML that fits on the line of the name.
    const EXAMPLE: &'static str;
    const UNDOABLE: bool;
    /// How people ask for it in a comment.
    const COMMANDS: &'static [Command] = &[];
    /// What it acts on, which an event must name. Nearly every action is about an issue or a pull request.
    const ACTS_ON: SubjectKind = SubjectKind::Item;
    /// The permission it takes.
    const NEEDS: Needs = Needs::Item;
    /// Events that its effects wait for, beside that of the rule.
    const HEARS: &'static [&'static str] = &[];
    /// Whether its effects may have to wait, and take turns.
    const WAITS: bool = false;
    /// Whether each change is one request, so that a refusal says that nothing was done.
    const ONE_REQUEST: bool = true;

    /// What the parameters ask for, as what a person would have touched by hand.
    fn asks_for(&self) -> Vec<Move> {
        Vec::new()
    }

    /// What a person would do by hand in the place of the effect, as far as the parameters alone tell: by that a rule in
    /// shadow is judged. Nothing where no hand does it, or none can be told to have.
    fn would_move(&self) -> Vec<Move> {
        self.asks_for()
    }

    /// What a schema cannot say about the parameters.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// As `NEEDS`, where the parameters decide.
    fn needs(&self) -> Needs {
        Self::NEEDS
    }

    /// Permissions that it reads by, beside those it writes with.
    fn reads(&self) -> &'static [&'static str] {
        &[]
    }

    fn read(
        &self,
        target: &Target,
        origin: &Origin,
        reader: &Reader,
    ) -> impl Future<Output = Result<Self::State, GitHubError>> + Send;

    /// The head commit, where writing vouches for it: then the engine holds it back unless the event told of that commit.
    fn vouches_for<'a>(&self, _state: &'a Self::State) -> Option<&'a str> {
        None
    }

    fn plan(&self, origin: &Origin, state: &Self::State, hands: &[HandChange]) -> Plan<Self::Change>;

    fn settle(&self, before: &Self::State, change: &Self::Change, now: &Self::State) -> Settled;

    fn write(
        &self,
        target: &Target,
        writer: &Writer,
        change: &Self::Change,
    ) -> impl Future<Output = Result<(), GitHubError>> + Send;

    fn undo(&self, before: &Self::State, after: &Self::State, now: &Self::State) -> Reversal<Self::Change>;

    /// Of what changed between two states by this action, the things on which people's hands are watched: a hand laid on
    /// one of them since keeps an undo away, also where the state looks as we left it.
    fn touched(&self, _before: &Self::State, _after: &Self::State) -> Vec<Thing> {
        self.asks_for().into_iter().map(|asked| asked.thing).collect()
    }

    /// The item's labels, where they are in the state.
    fn labels(_state: &Self::State) -> Option<Vec<String>> {
        None
    }

    /// What a change puts on the item and takes off it, as GitHub's events tell it: by that its echo is known, and what
    /// a fight can be about.
    fn moves(&self, _before: &Self::State, _change: &Self::Change) -> Vec<Move> {
        Vec::new()
    }

    /// Names of the events by which GitHub tells of a change, beside those of its moves.
    fn told_by(_: &Self::Change) -> &'static [&'static str] {
        &[]
    }

    /// Where an effect that waits stands in line.
    fn line(&self, _: &Self::State) -> Option<Line> {
        None
    }

    /// What the effect waits for when this change was only a step on the way.
    fn goes_on(&self, _: &Self::Change) -> Option<Wait> {
        None
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, GitHubError>> + Send + 'a>>;

/// An [`Action`] whose state and change are JSON, as the store keeps them.
pub(super) trait Erased: Send + Sync {
    fn asks_for(&self) -> Vec<Move>;
    fn would_move(&self) -> Vec<Move>;
    fn acts_on(&self) -> SubjectKind;
    fn is_one_request(&self) -> bool;
    fn read<'a>(&'a self, target: &'a Target, origin: &'a Origin, reader: &'a Reader) -> Answer<'a, Value>;
    fn vouches_for(&self, state: &Value) -> Option<String>;
    fn plan(&self, origin: &Origin, state: &Value, hands: &[HandChange]) -> Plan;
    fn settle(&self, before: &Value, change: &Value, now: &Value) -> Settled;
    fn write<'a>(&'a self, target: &'a Target, writer: &'a Writer, change: &'a Value) -> Answer<'a, ()>;
    fn undo(&self, before: &Value, after: &Value, now: &Value) -> Reversal;
    fn touched(&self, before: &Value, after: &Value) -> Vec<Thing>;
    fn undoable(&self) -> bool;
    fn moves(&self, before: &Value, change: &Value) -> Vec<Move>;
    fn labels(&self, state: &Value) -> Option<Vec<String>>;
    fn told_by(&self, change: &Value) -> &'static [&'static str];
    fn line(&self, state: &Value) -> Option<Line>;
    fn goes_on(&self, change: &Value) -> Option<Wait>;
}

/// Said of a stored state that an older or newer orchd wrote and this one cannot read.
const UNREADABLE: &str = "what was stored of the earlier state cannot be read by this version";

impl<A: Action> Erased for A {
    fn asks_for(&self) -> Vec<Move> {
        Action::asks_for(self)
    }

    fn would_move(&self) -> Vec<Move> {
        Action::would_move(self)
    }

    fn acts_on(&self) -> SubjectKind {
        A::ACTS_ON
    }

    fn is_one_request(&self) -> bool {
        A::ONE_REQUEST
    }

    fn read<'a>(&'a self, target: &'a Target, origin: &'a Origin, reader: &'a Reader) -> Answer<'a, Value> {
        Box::pin(async move {
            let state = Action::read(self, target, origin, reader).await?;
            serde_json::to_value(state).map_err(|error| GitHubError::Unreadable(error.to_string()))
        })
    }

    fn vouches_for(&self, state: &Value) -> Option<String> {
        Action::vouches_for(self, &A::State::deserialize(state).ok()?).map(str::to_owned)
    }

    fn plan(&self, origin: &Origin, state: &Value, hands: &[HandChange]) -> Plan {
        let Ok(state) = A::State::deserialize(state) else { return Plan::Held(UNREADABLE.to_owned()) };
        match Action::plan(self, origin, &state, hands) {
            Plan::Nothing(why) => Plan::Nothing(why),
            Plan::Held(why) => Plan::Held(why),
            Plan::Wait(wait) => Plan::Wait(wait),
            Plan::Change(change) => {
                serde_json::to_value(change).map_or_else(|error| Plan::Held(error.to_string()), Plan::Change)
            }
            Plan::Part(change, held) => serde_json::to_value(change)
                .map_or_else(|error| Plan::Held(error.to_string()), |change| Plan::Part(change, held)),
        }
    }

    fn settle(&self, before: &Value, change: &Value, now: &Value) -> Settled {
        match (A::State::deserialize(before), A::Change::deserialize(change), A::State::deserialize(now)) {
            (Ok(before), Ok(change), Ok(now)) => Action::settle(self, &before, &change, &now),
            _ => Settled::CannotTell(UNREADABLE.to_owned()),
        }
    }

    fn write<'a>(&'a self, target: &'a Target, writer: &'a Writer, change: &'a Value) -> Answer<'a, ()> {
        Box::pin(async move {
            let change = A::Change::deserialize(change).map_err(|_| GitHubError::Unreadable(UNREADABLE.to_owned()))?;
            Action::write(self, target, writer, &change).await
        })
    }

    fn undo(&self, before: &Value, after: &Value, now: &Value) -> Reversal {
        let states = (A::State::deserialize(before), A::State::deserialize(after), A::State::deserialize(now));
        let (Ok(before), Ok(after), Ok(now)) = states else { return Reversal::Refused(UNREADABLE.to_owned()) };
        match Action::undo(self, &before, &after, &now) {
            Reversal::Nothing => Reversal::Nothing,
            Reversal::Refused(why) => Reversal::Refused(why),
            Reversal::Change(change) => {
                serde_json::to_value(change).map_or_else(|error| Reversal::Refused(error.to_string()), Reversal::Change)
            }
        }
    }

    fn touched(&self, before: &Value, after: &Value) -> Vec<Thing> {
        match (A::State::deserialize(before), A::State::deserialize(after)) {
            (Ok(before), Ok(after)) => Action::touched(self, &before, &after),
            _ => Vec::new(),
        }
    }

    fn undoable(&self) -> bool {
        A::UNDOABLE
    }

    fn moves(&self, before: &Value, change: &Value) -> Vec<Move> {
        match (A::State::deserialize(before), A::Change::deserialize(change)) {
            (Ok(before), Ok(change)) => Action::moves(self, &before, &change),
            _ => Vec::new(),
        }
    }

    fn labels(&self, state: &Value) -> Option<Vec<String>> {
        A::labels(&A::State::deserialize(state).ok()?)
    }

    fn told_by(&self, change: &Value) -> &'static [&'static str] {
        A::Change::deserialize(change).map_or(&[], |change| A::told_by(&change))
    }

    fn line(&self, state: &Value) -> Option<Line> {
        Action::line(self, &A::State::deserialize(state).ok()?)
    }

    fn goes_on(&self, change: &Value) -> Option<Wait> {
        Action::goes_on(self, &A::Change::deserialize(change).ok()?)
    }
}

/// Parameters left out (`close:`) are an empty list of them.
pub(super) fn read_params<A: Action>(params: &Value) -> Result<A, String> {
    let empty = Value::Object(serde_json::Map::new());
    let example = |why: &dyn std::fmt::Display| format!("{why}; write it like `{}: {}`", A::NAME, A::EXAMPLE);
    let action = A::deserialize(if params.is_null() { &empty } else { params }).map_err(|error| example(&error))?;
    action.check().map_err(|why| example(&why))?;
    Ok(action)
}

pub(super) fn erased<A: Action>(params: &Value) -> Result<Box<dyn Erased>, String> {
    Ok(Box::new(read_params::<A>(params)?))
}

pub(super) const fn kind<A: Action>() -> ActionKind {
    ActionKind {
        name: A::NAME,
        help: A::HELP,
        example: A::EXAMPLE,
        undoable: A::UNDOABLE,
        commands: A::COMMANDS,
        acts_on: A::ACTS_ON,
        needs: |params| read_params::<A>(params).map_or(A::NEEDS, |action| action.needs()),
        reads: |params| read_params::<A>(params).map_or(&[], |action| action.reads()),
        hears: A::HEARS,
        check: |params| read_params::<A>(params).map(|_| ()),
        schema: schema::<A>,
    }
}

/// Without references, so that it can stand anywhere in the schema of the config.
fn schema<A: Action>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<A>();
    schema.remove("title");
    schema.to_value()
}

/// The registry: a word for each action, which is the name of its file. Those after `and` are orchd's own: stored and
/// carried out like the others, and no rule of a config can name them.
macro_rules! actions {
    ($($file:ident),* $(,)? and $($own:ident),*) => {
        $(mod $file;)*
        $(mod $own;)*

        /// Every action that a rule can name, for the config loader, the schema and the docs.
        pub fn kinds() -> &'static [crate::core::intent::ActionKind] {
            static KINDS: &[crate::core::intent::ActionKind] = &[$(registry::kind::<$file::Params>()),*];
            KINDS
        }

        /// Whether effects of an action may have to wait, and take turns.
        pub fn may_wait(name: &str) -> bool {
            $((<$file::Params as registry::Action>::WAITS && name == <$file::Params as registry::Action>::NAME))||*
        }

        fn parse(name: &str, params: &Value) -> Result<Box<dyn registry::Erased>, String> {
            $(if name == <$file::Params as registry::Action>::NAME {
                return registry::erased::<$file::Params>(params);
            })*
            $(if name == <$own::Params as registry::Action>::NAME {
                return registry::erased::<$own::Params>(params);
            })*
            Err(format!("there is no action `{name}`"))
        }
    };
}
