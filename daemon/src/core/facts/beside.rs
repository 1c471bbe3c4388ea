//! What was known beside the payload: what has to be stored so that a decision can be taken again.

use serde::{Deserialize, Serialize};

use super::{Check, Facts, Item, Known, Review, Run};
use crate::core::event::Event;
use crate::core::role::Role;

/// Facts that no payload told: what is stored with the decisions taken on them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// The item, when the payload only named it or did not tell all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Known<Item>>,
    #[serde(skip_serializing_if = "Known::is_not_yet")]
    pub files: Known<Vec<String>>,
    #[serde(skip_serializing_if = "Known::is_not_yet")]
    pub reviews: Known<Vec<Review>>,
    #[serde(skip_serializing_if = "Known::is_not_yet")]
    pub checks: Known<Vec<Check>>,
    #[serde(skip_serializing_if = "Known::is_not_yet")]
    pub role: Known<Role>,
    #[serde(skip_serializing_if = "Known::is_not_yet")]
    pub run: Known<Run>,
}

impl<T> Known<T> {
    fn is_not_yet(&self) -> bool {
        matches!(self, Self::NotYet)
    }
}

impl Facts {
    /// What is known beside what the event itself tells; `None`: nothing.
    pub fn beside(&self, event: &Event) -> Option<Beside> {
        let told = Self::from_event(event);
        let beside = Beside {
            item: self.item.clone().filter(|_| self.item != told.item),
            files: self.files.clone(),
            reviews: self.reviews.clone(),
            checks: self.checks.clone(),
            role: self.role.clone(),
            run: self.run.clone(),
        };
        (beside != Beside::default()).then_some(beside)
    }

    /// What the event tells, and what was known beside it.
    pub fn recorded(event: &Event, beside: Option<Beside>) -> Self {
        let told = Self::from_event(event);
        match beside {
            None => told,
            Some(Beside { item, files, reviews, checks, role, run }) => {
                Self { item: item.or(told.item), files, reviews, checks, role, run }
            }
        }
    }
}
