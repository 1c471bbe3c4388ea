//! The verdict over a chain: rows go in one by one, in order; what is wrong comes out by name.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::chain::{Digest, Row};
use super::{Kind, pseudonymised_until};

/// Faults that are told one by one; beyond that they are counted.
const MOST_FAULTS: usize = 100;

/// The head of the chain at some time, kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Anchor {
    /// `None`: it was typed in, and does not say.
    pub at: Option<DateTime<Utc>>,
    pub seq: i64,
    pub hash: Digest,
}

/// Why a text is not an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an anchor: write NUMBER:HASH, as the log has them under `seq` and `hash`")]
pub struct NotAnAnchor(String);

impl FromStr for Anchor {
    type Err = NotAnAnchor;
    fn from_str(text: &str) -> Result<Self, NotAnAnchor> {
        let refuse = || NotAnAnchor(text.chars().take(100).collect());
        let (seq, hash) = text.split_once(':').ok_or_else(refuse)?;
        let (seq, hash) = (seq.parse().map_err(|_| refuse())?, hash.parse().map_err(|_| refuse())?);
        Ok(Self { at: None, seq, hash })
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// Where the chain begins since its oldest rows were dropped: what a row of kind `audit_cut` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cut {
    /// The last row that was dropped, and its hash: from there the chain goes on.
    pub until: i64,
    pub hash: Digest,
    /// Rows dropped this time, and ever.
    pub rows: i64,
    pub rows_in_all: i64,
    /// What was older than this was dropped.
    pub older_than_days: i64,
    pub at: DateTime<Utc>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// Not what was written under this number, after the row before it: it was changed, or that one and its hash were.
    Changed { seq: i64 },
    /// Not there, though rows before and after are.
    Missing { from: i64, to: i64 },
    /// Two rows beside each other have changed places.
    Swapped { first: i64, second: i64 },
    /// What is personal in it is gone, and no pseudonymisation covers it.
    Erased { seq: i64 },
    /// Consistent in itself, but not what an anchor saw: the chain was written anew.
    Rewritten { seq: i64, anchored_at: Option<DateTime<Utc>> },
    /// An anchor saw more rows than there are.
    CutOff { last: i64, anchored: i64, anchored_at: Option<DateTime<Utc>> },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "row {seq} is not what was written after row {}", seq.saturating_sub(1)),
            Self::Missing { from, to } if from == to => write!(f, "row {from} is missing"),
            Self::Missing { from, to } => write!(f, "rows {from} to {to} are missing"),
            Self::Swapped { first, second } => write!(f, "rows {first} and {second} have changed places"),
            Self::Erased { seq } => write!(f, "row {seq} has lost its personal data without a pseudonymisation"),
            Self::Rewritten { seq, anchored_at } => {
                write!(
                    f,
                    "row {seq} is not the one that was anchored{}: the chain was written anew",
                    when(*anchored_at)
                )
            }
            Self::CutOff { last, anchored, anchored_at } => {
                write!(
                    f,
                    "the chain ends at row {last}, but row {anchored} was anchored{}: its end was cut off",
                    when(*anchored_at)
                )
            }
        }
    }
}

fn when(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| at.format(" at %Y-%m-%d %H:%M:%S UTC").to_string())
}

/// What verifying came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// Rows looked at, and the numbers of the first and last.
    pub rows: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Hash of the last row, as stored.
    pub head: Option<Digest>,
    pub pseudonymised: u64,
    pub cut: Option<Cut>,
    /// Anchors that were compared.
    pub anchors: u64,
    /// Anchors of rows that were dropped since: nothing to compare them with.
    pub anchors_before_the_cut: u64,
    /// The first hundred.
    pub faults: Vec<Fault>,
    pub faults_in_all: u64,
}

impl Report {
    pub fn is_proved(&self) -> bool {
        self.faults_in_all == 0
    }
}

/// Takes rows in the order of their numbers.
#[derive(Debug)]
pub struct Verifier {
    report: Report,
    /// The number of the next row.
    next: i64,
    /// What the hash before the next row may be: after a changed row the one stored and the one it should have. Empty: not
    /// known, after missing rows.
    before: Vec<Digest>,
    /// A row that does not fit; the next one tells whether the two were swapped.
    held: Option<Row>,
    /// Up to here personal data may be gone.
    pseudonymised_until: i64,
    /// By number, those still ahead at the end.
    anchors: Vec<Anchor>,
}

impl Verifier {
    /// `cut` and `pseudonymised` are what the newest rows of these kinds say; the chain itself proves them. `after` of the
    /// latter is its text.
    pub fn begin(cut: Option<Cut>, pseudonymised: Option<&str>, mut anchors: Vec<Anchor>) -> Self {
        let (next, before) = cut.as_ref().map_or((1, Digest::START), |cut| (cut.until.saturating_add(1), cut.hash));
        let found = anchors.len();
        anchors.retain(|anchor| anchor.seq >= next);
        anchors.sort_by_key(|anchor| std::cmp::Reverse(anchor.seq));
        let report = Report {
            rows: 0,
            first: None,
            last: None,
            head: None,
            pseudonymised: 0,
            cut,
            anchors: 0,
            anchors_before_the_cut: (found - anchors.len()) as u64,
            faults: Vec::new(),
            faults_in_all: 0,
        };
        let pseudonymised_until = pseudonymised.and_then(pseudonymised_until).unwrap_or(0);
        Self { report, next, before: vec![before], held: None, pseudonymised_until, anchors }
    }

    /// The next row.
    pub fn row(&mut self, row: Row) {
        self.see(row.seq, Some(row.hash));
        if self.resolve_held(&row) {
            return;
        }
        if !self.advance(row.seq) {
            return;
        }
        if row.personal.is_none() {
            self.report.pseudonymised += 1;
            let about_itself = Kind::OF_THE_CHAIN.iter().any(|kind| kind.word() == row.kind);
            if row.seq > self.pseudonymised_until || about_itself {
                self.fault(Fault::Erased { seq: row.seq });
            }
        }
        let follows =
            self.before.is_empty() || self.before.iter().any(|&hash| row.hash_after(hash, row.seq) == row.hash);
        if follows && row.keeps_its_word() {
            self.before = vec![row.hash];
        } else {
            self.held = Some(row);
        }
    }

    /// A row that is there and cannot even be read.
    pub fn unreadable(&mut self, seq: i64) {
        self.see(seq, None);
        self.give_up_held();
        if self.advance(seq) {
            self.fault(Fault::Changed { seq });
        }
        self.before.clear();
    }

    /// No further row.
    pub fn finish(mut self) -> Report {
        self.give_up_held();
        let last = self.report.last.unwrap_or(self.next - 1);
        if let Some(anchor) = self.anchors.first().filter(|anchor| anchor.seq > last) {
            let (anchored, anchored_at) = (anchor.seq, anchor.at);
            self.fault(Fault::CutOff { last, anchored, anchored_at });
        }
        self.report
    }

    pub fn rows(&self) -> u64 {
        self.report.rows
    }

    fn see(&mut self, seq: i64, hash: Option<Digest>) {
        self.report.rows += 1;
        self.report.first.get_or_insert(seq);
        self.report.last = Some(seq);
        self.report.head = hash;
        while let Some(anchor) = self.anchors.pop_if(|anchor| anchor.seq <= seq) {
            // One of a row that is missing has nothing to be compared with, and that is told already.
            self.report.anchors += u64::from(anchor.seq == seq);
            if anchor.seq == seq && hash.is_some_and(|hash| hash != anchor.hash) {
                self.fault(Fault::Rewritten { seq, anchored_at: anchor.at });
            }
        }
    }

    /// Steps to the number of a row; false when it has no place in the chain.
    fn advance(&mut self, seq: i64) -> bool {
        if seq < self.next {
            self.fault(Fault::Changed { seq });
            return false;
        }
        if seq > self.next {
            self.fault(Fault::Missing { from: self.next, to: seq - 1 });
            self.before.clear();
        }
        self.next = seq.saturating_add(1);
        true
    }

    /// Whether the row that did not fit and this one have changed places, which settles both. Else that one was changed.
    fn resolve_held(&mut self, row: &Row) -> bool {
        let Some(held) = self.held.take() else { return false };
        let both_there = row.seq == held.seq + 1 && held.keeps_its_word() && row.keeps_its_word();
        let swapped = both_there
            && self.before.iter().any(|&hash| row.hash_after(hash, held.seq) == row.hash)
            && held.hash_after(row.hash, row.seq) == held.hash;
        if swapped {
            self.fault(Fault::Swapped { first: held.seq, second: row.seq });
            self.before = vec![held.hash];
            self.next = row.seq + 1;
        } else {
            self.held = Some(held);
            self.give_up_held();
        }
        swapped
    }

    fn give_up_held(&mut self) {
        if let Some(held) = self.held.take() {
            self.fault(Fault::Changed { seq: held.seq });
            // One of each is enough to find the way back; a candidate more for each bad row would make a ruined chain slow.
            let mut before: Vec<_> = self.before.iter().map(|&hash| held.hash_after(hash, held.seq)).take(1).collect();
            before.push(held.hash);
            self.before = before;
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.report.faults_in_all += 1;
        if self.report.faults.len() < MOST_FAULTS {
            self.report.faults.push(fault);
        }
    }
}
