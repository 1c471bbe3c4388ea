//! Hours of GitHub's limits on a virtual clock: the fake's rules on one side, the budget on the other, answers that take
//! their time in between.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and shows what it measured")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::DateTime;
use http::HeaderMap;
use orchd_fake::{Meter, Rules, Verdict};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::budget::{Ask, Budget, Reply, Report, Why};
use super::told::{Refusal, Told};
use super::{Cost, Priority, Resource, Terms};

const HOUR: i64 = 3_600_000;
const START: i64 = 1_790_000_000_000;

/// Somebody who always has more to ask.
#[derive(Clone, Copy, Debug)]
struct Demand {
    priority: Priority,
    cost: Cost,
    /// From an answer to the next question, in milliseconds.
    pause: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask { who: usize, since: i64 },
    Arrive { who: usize },
    Answer { who: usize, refused: u8 },
}

struct Simulation {
    random: StdRng,
    budget: Budget,
    terms: Terms,
    meter: Meter,
    /// GitHub's clock minus ours.
    offset: i64,
    /// Whether the reset that GitHub names moves about by some seconds.
    restless: bool,
    demands: Vec<Demand>,
    events: BinaryHeap<Reverse<(i64, Event)>>,
    now: i64,
    told: usize,
    refused: Vec<Verdict>,
    /// The longest wait of each priority, and why it last waited.
    waited: [(i64, Option<Why>); 3],
    sent: [u32; 3],
}

impl Simulation {
    fn new(rules: Rules, demands: Vec<Demand>, seed: u64) -> Self {
        let mut it = Self {
            random: StdRng::seed_from_u64(seed),
            budget: Budget::default(),
            terms: Terms::default(),
            meter: Meter::new(rules),
            offset: 0,
            restless: false,
            events: BinaryHeap::new(),
            demands,
            now: START,
            told: 0,
            refused: Vec::new(),
            waited: [(0, None); 3],
            sent: [0; 3],
        };
        for who in 0..it.demands.len() {
            it.events.push(Reverse((START, Event::Ask { who, since: START })));
        }
        it
    }

    fn later(&mut self, wait: i64, event: Event) {
        self.events.push(Reverse((self.now + wait, event)));
    }

    /// Lets time pass; gives how much of the quota was used in each of GitHub's windows that ended.
    fn run(&mut self, hours: i64) -> Vec<u32> {
        let mut used = Vec::new();
        let (mut reset, mut last) = (0, 0);
        while let Some(Reverse((at, event))) = self.events.pop() {
            // A reset that moves makes GitHub's windows longer.
            if at > START + hours * (HOUR + 130_000) {
                break;
            }
            self.now = at;
            self.happen(event);
            if self.meter.reset() != reset {
                if reset != 0 {
                    used.push(last);
                }
                reset = self.meter.reset();
            }
            last = self.meter.used();
        }
        used
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask { who, since } => self.ask(who, since),
            Event::Arrive { who } => {
                let (method, path) = match self.demands[who].cost {
                    Cost::Read => ("GET", "/x"),
                    Cost::Write => ("PATCH", "/x"),
                    Cost::Content => ("POST", "/x/comments"),
                };
                let verdict = self.meter.begin(self.now + self.offset, method, path);
                if verdict != Verdict::Allowed {
                    self.refused.push(verdict);
                }
                let refused = match verdict {
                    Verdict::Allowed => 0,
                    Verdict::Primary => 1,
                    Verdict::Secondary(_) => 2,
                };
                let way = self.random.random_range(20..400);
                self.later(way, Event::Answer { who, refused });
            }
            Event::Answer { who, refused } => self.answer(who, refused),
        }
    }

    fn ask(&mut self, who: usize, since: i64) {
        let Demand { priority, cost, .. } = self.demands[who];
        let ask = Ask { resource: Resource::Core, cost, priority, count: 1 };
        match self.budget.step(self.now, &self.terms, &[], Some(ask)) {
            Reply::Granted { .. } => {
                self.sent[priority as usize] += 1;
                let longest = &mut self.waited[priority as usize].0;
                *longest = (*longest).max(self.now - since);
                let way = self.random.random_range(10..200);
                self.later(way, Event::Arrive { who });
            }
            Reply::Wait { wait, why } => {
                assert!(wait > 0 && wait <= HOUR + 2_000, "{wait} {why:?}");
                self.waited[priority as usize].1 = Some(why);
                self.later(wait.min(1_000), Event::Ask { who, since });
            }
            Reply::Noted { .. } => unreachable!("something was asked"),
        }
    }

    /// The headers as GitHub would write them, read as the client reads them.
    fn headers(&mut self) -> HeaderMap {
        self.told += 1;
        let moved = if self.restless { self.random.random_range(-2..40) } else { 0 };
        let mut headers = HeaderMap::new();
        let date = DateTime::from_timestamp_millis(self.now + self.offset).unwrap();
        headers.insert("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().unwrap());
        let numbers = [
            ("x-ratelimit-limit", i64::from(self.meter.rules.quota)),
            ("x-ratelimit-remaining", i64::from(self.meter.rules.quota - self.meter.used())),
            ("x-ratelimit-reset", self.meter.reset() / 1_000 + moved),
        ];
        for (name, value) in numbers {
            headers.insert(name, value.to_string().parse().unwrap());
        }
        headers
    }

    fn answer(&mut self, who: usize, refused: u8) {
        self.meter.end();
        let headers = self.headers();
        let resource = Resource::Core;
        let told = Told::read(&headers);
        assert!(told.is_some_and(|told| told.reset_in.is_some()));
        let mut reports = vec![Report::Answered { resource, told, success: refused == 0 }];
        if refused > 0 {
            reports.push(Report::Refused { resource, refusal: Refusal::read(&headers) });
        }
        let _ = self.budget.step(self.now, &self.terms, &reports, None);
        let pause = self.demands[who].pause;
        self.later(pause.max(1), Event::Ask { who, since: self.now + pause.max(1) });
    }

    /// No refusal, and of each whole window at least this part (in hundredths) was used.
    fn assert_used(&mut self, hours: i64, least: u32) {
        let used = self.run(hours);
        println!(
            "quota {}: used {used:?}, {} refused, sent by priority {:?}, longest waits {:?} ms",
            self.meter.rules.quota,
            self.refused.len(),
            self.sent,
            self.waited
        );
        assert_eq!(self.refused, [], "refused");
        assert!(used.len() >= usize::try_from(hours).unwrap(), "{used:?}");
        assert!(used.iter().all(|used| used * 100 >= self.meter.rules.quota * least), "{used:?}");
    }
}

fn everybody() -> Vec<Demand> {
    let many = |count, priority, cost, pause| vec![Demand { priority, cost, pause }; count];
    [
        many(20, Priority::Sweep, Cost::Read, 0),
        many(20, Priority::Event, Cost::Read, 0),
        many(4, Priority::Event, Cost::Write, 9_000),
        many(2, Priority::Event, Cost::Content, 15_000),
        many(1, Priority::Command, Cost::Read, 20_000),
    ]
    .concat()
}

#[test]
fn two_hours_of_too_much_are_used_whole_and_never_refused() {
    let mut it = Simulation::new(Rules::default(), everybody(), 1);
    it.assert_used(2, 95);
    assert!(it.waited[Priority::Command as usize].0 < 10_000, "{:?}", it.waited);
}

#[test]
fn a_wrong_clock_and_a_restless_reset_change_nothing() {
    for (seed, offset) in [(2, 37 * 60_000), (3, -3 * HOUR), (4, 500)] {
        let mut it = Simulation::new(Rules::default(), everybody(), seed);
        (it.offset, it.restless) = (offset, true);
        it.assert_used(2, 95);
    }
}

#[test]
fn sweeps_alone_use_what_nobody_else_wants() {
    let sweeps = vec![Demand { priority: Priority::Sweep, cost: Cost::Read, pause: 0 }; 40];
    for quota in [60, 5_000, 15_000] {
        Simulation::new(Rules { quota, ..Rules::default() }, sweeps.clone(), 5).assert_used(2, 95);
    }
}

#[test]
fn content_stays_below_its_limits_of_the_minute_and_the_hour() {
    let writers = vec![Demand { priority: Priority::Event, cost: Cost::Content, pause: 0 }; 30];
    let mut it = Simulation::new(Rules::default(), writers, 6);
    it.run(2);
    println!("content in two hours: {}, refused {}", it.sent[1], it.refused.len());
    assert_eq!(it.refused, []);
    assert!(it.sent[1] >= 780, "{}", it.sent[1]);
}

#[test]
fn points_of_the_minute_are_kept_where_the_quota_is_large() {
    let readers = vec![Demand { priority: Priority::Command, cost: Cost::Read, pause: 0 }; 60];
    let mut it = Simulation::new(Rules { quota: 1_000_000, ..Rules::default() }, readers, 7);
    it.run(1);
    println!("reads in an hour: {} of 54000, refused {}", it.sent[2], it.refused.len());
    assert_eq!(it.refused, []);
    assert!(it.sent[2] >= 900 * 60 * 85 / 100);
}
