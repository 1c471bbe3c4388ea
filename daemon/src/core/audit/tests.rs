#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn at(seq: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seq, 0).unwrap()
}

fn entry(seq: i64) -> Entry {
    let entry = Entry::new(Kind::EffectApplied, Actor::Operator(Some(1000)), at(seq));
    let cause = Cause {
        event: Some(Uuid::from_u128(7)),
        rule: Some("docs".to_owned()),
        effect: Some(Uuid::from_u128(9)),
        action: Some("label".to_owned()),
        config_revision: Some("0123456789abcdef".to_owned()),
    };
    let (repository, number, note) = (Some("acme/web".to_owned()), Some(12), Some("done".to_owned()));
    Entry { cause, repository, number, note, ..entry }.states(Some(json!([])), Some(json!(["bug"])))
}

/// A chain of these entries.
fn sealed(entries: Vec<Entry>) -> Vec<Row> {
    let mut previous = Digest::START;
    let rows = entries.into_iter().enumerate().map(|(at, entry)| {
        let row = entry.seal(at as i64 + 1, previous, [at as u8; 16]);
        previous = row.hash;
        row
    });
    rows.collect()
}

fn chain(length: i64) -> Vec<Row> {
    sealed((1..=length).map(entry).collect())
}

fn verified(rows: &[Row], anchors: Vec<Anchor>) -> Report {
    let newest = |kind: Kind| {
        let row = rows.iter().rev().find(|row| row.kind == kind.word())?;
        row.personal.as_ref()?.after.clone()
    };
    let cut = newest(Kind::AuditCut).and_then(|text| serde_json::from_str(&text).ok());
    let mut verifier = Verifier::begin(cut, newest(Kind::AuditPseudonymised).as_deref(), anchors);
    rows.iter().cloned().for_each(|row| verifier.row(row));
    verifier.finish()
}

fn faults(rows: &[Row]) -> Vec<Fault> {
    verified(rows, Vec::new()).faults
}

fn anchor(row: &Row) -> Anchor {
    Anchor { at: Some(at(row.seq)), seq: row.seq, hash: row.hash }
}

/// Every way to change one column of a row.
const CHANGES: [fn(&mut Row); 20] = [
    |row| row.at += 1,
    |row| row.kind.push('x'),
    |row| row.kind = "effect_failed".to_owned(),
    |row| row.actor = "orchd".to_owned(),
    |row| row.cause.event = None,
    |row| row.cause.rule = Some("doc".to_owned()),
    |row| row.cause.effect = Some(Uuid::from_u128(8)),
    |row| row.cause.action = Some("labels".to_owned()),
    |row| row.cause.config_revision = Some(String::new()),
    |row| row.repository = Some("acme/weB".to_owned()),
    |row| row.number = Some(13),
    |row| row.number = None,
    |row| row.digest = Digest::START,
    |row| row.hash = Digest::START,
    |row| row.personal.as_mut().unwrap().salt[3] ^= 1,
    |row| row.personal.as_mut().unwrap().actor_name = Some("uid 0".to_owned()),
    |row| row.personal.as_mut().unwrap().before = None,
    |row| row.personal.as_mut().unwrap().after = Some("[\"bag\"]".to_owned()),
    |row| row.personal.as_mut().unwrap().note = Some("Done".to_owned()),
    // What one column loses the next one gains.
    |row| {
        row.cause.action = Some("labe".to_owned());
        row.cause.config_revision = Some("l0123456789abcdef".to_owned());
    },
];

#[test]
fn a_chain_that_nobody_touched_holds() {
    let rows = chain(50);
    let report = verified(&rows, vec![anchor(&rows[9]), anchor(&rows[49])]);
    assert!(report.is_proved(), "{report:?}");
    assert_eq!((report.rows, report.first, report.last, report.anchors), (50, Some(1), Some(50), 2));
    assert_eq!(report.head, Some(rows[49].hash));
    assert!(verified(&[], Vec::new()).is_proved());
}

/// Rows in every database depend on it: when this fails, the code is wrong, not the test.
#[test]
fn the_hash_is_the_same_for_ever() {
    assert_eq!(chain(2)[1].hash.to_string(), "c1e9c0c5e3b99c6bd4df858f64d5745861a07eb7cdfdfa5252da4fcefda9616f");
}

#[test]
fn invariant_10_a_changed_column_names_its_row_and_no_other() {
    for (index, change) in CHANGES.iter().enumerate() {
        for changed in [0, 4, 9] {
            let mut rows = chain(10);
            change(&mut rows[changed]);
            assert_eq!(
                faults(&rows),
                [Fault::Changed { seq: changed as i64 + 1 }],
                "change {index} of row {}",
                changed + 1
            );
        }
    }
}

#[test]
fn invariant_10_removed_and_swapped_rows_are_named() {
    let whole = chain(10);
    let mut rows = whole.clone();
    rows.remove(4);
    assert_eq!(faults(&rows), [Fault::Missing { from: 5, to: 5 }]);
    rows.drain(6..8);
    assert_eq!(faults(&rows), [Fault::Missing { from: 5, to: 5 }, Fault::Missing { from: 8, to: 9 }]);
    assert_eq!(faults(&whole[3..]), [Fault::Missing { from: 1, to: 3 }]);

    // Neighbours that took each other's number; then two that stand apart: the hash is gone that the next row follows.
    let mut rows = whole.clone();
    rows.swap(4, 5);
    (rows[4].seq, rows[5].seq) = (5, 6);
    assert_eq!(faults(&rows), [Fault::Swapped { first: 5, second: 6 }]);
    let mut rows = whole.clone();
    rows.swap(2, 7);
    (rows[2].seq, rows[7].seq) = (3, 8);
    assert_eq!(faults(&rows), [3, 4, 8, 9].map(|seq| Fault::Changed { seq }));

    // Changed, and its own hash made to fit: then the next row does not follow.
    let mut rows = whole.clone();
    rows[4].repository = Some("acme/api".to_owned());
    rows[4].hash = rows[4].hash_after(rows[3].hash, 5);
    assert_eq!(faults(&rows), [Fault::Changed { seq: 6 }]);

    let mut rows = whole;
    rows.insert(0, Row { seq: 0, ..rows[0].clone() });
    assert_eq!(faults(&rows), [Fault::Changed { seq: 0 }], "a row that was put before the first one");
}

#[test]
fn invariant_10_a_cut_end_and_a_chain_written_anew_are_found_by_anchors() {
    let rows = chain(10);
    let anchors = vec![anchor(&rows[3]), anchor(&rows[9])];
    assert!(faults(&rows[..7]).is_empty(), "nothing in the chain shows it");
    let cut_off = Fault::CutOff { last: 7, anchored: 10, anchored_at: Some(at(10)) };
    assert_eq!(verified(&rows[..7], anchors.clone()).faults, [cut_off]);
    assert_eq!(verified(&[], anchors.clone()).faults.len(), 1);

    let forged = sealed((1..=12).map(|seq| Entry { note: None, ..entry(seq) }).collect());
    assert!(faults(&forged).is_empty(), "it is consistent in itself");
    let rewritten = |seq| Fault::Rewritten { seq, anchored_at: Some(at(seq)) };
    assert_eq!(verified(&forged, anchors).faults, [rewritten(4), rewritten(10)]);
}

#[test]
fn what_is_personal_may_go_only_as_far_as_the_chain_says() {
    let marked = |until| {
        let mut entries: Vec<_> = (1..=10).map(entry).collect();
        entries.push(Entry::pseudonymised(until, TimeDelta::days(90), at(11)));
        sealed(entries)
    };
    let mut rows = marked(6);
    rows[..6].iter_mut().for_each(|row| row.personal = None);
    let report = verified(&rows, Vec::new());
    assert!(report.is_proved() && report.pseudonymised == 6, "{report:?}");
    rows[6].personal = None;
    assert_eq!(faults(&rows), [Fault::Erased { seq: 7 }]);

    // The clear columns of what is pseudonymised are still proved.
    let mut rows = marked(6);
    rows[..6].iter_mut().for_each(|row| row.personal = None);
    rows[2].kind = Kind::EffectFailed.word().to_owned();
    assert_eq!(faults(&rows), [Fault::Changed { seq: 3 }]);
    // Nor can what is gone be given back as something else.
    let mut rows = marked(6);
    rows[2].personal = Some(Personal { note: Some("forged".to_owned()), ..Personal::default() });
    assert_eq!(faults(&rows), [Fault::Changed { seq: 3 }]);
    // The row that tells it must not be lost, though it is old itself.
    let mut rows = marked(20);
    rows[10].personal = None;
    assert!(faults(&rows).contains(&Fault::Erased { seq: 11 }));
}

#[test]
fn a_chain_goes_on_after_its_beginning_was_dropped() {
    let mut entries: Vec<_> = (1..=10).map(entry).collect();
    let dropped = sealed(entries.clone());
    let cut = Cut { until: 4, hash: dropped[3].hash, rows: 4, rows_in_all: 4, older_than_days: 400, at: at(11) };
    entries.push(Entry::cut(&cut));
    let rows = sealed(entries);
    let anchors = vec![anchor(&rows[1]), anchor(&rows[8])];
    let report = verified(&rows[4..], anchors);
    assert!(report.is_proved(), "{report:?}");
    assert_eq!((report.anchors, report.anchors_before_the_cut), (1, 1));
    assert_eq!(report.cut, Some(cut.clone()));
    assert_eq!(faults(&rows[5..]), [Fault::Missing { from: 5, to: 5 }], "more is gone than the chain says");

    // A cut that only pretends: its row does not follow from the chain.
    let mut rows = rows;
    let pretended = Cut { until: 6, hash: rows[5].hash, ..cut };
    rows[10].personal.as_mut().unwrap().after = Some(json!(pretended).to_string());
    assert_eq!(faults(&rows[6..]), [Fault::Changed { seq: 11 }]);
}

#[test]
fn a_ruined_chain_is_told_in_bounds() {
    let mut rows = chain(1_000);
    rows.iter_mut().for_each(|row| row.at += 1);
    let report = verified(&rows, Vec::new());
    assert_eq!((report.faults.len(), report.faults_in_all), (100, 1_000));
}

#[test]
fn words_are_read_back() {
    for kind in Kind::ALL {
        assert_eq!(kind.word().parse::<Kind>().as_ref(), Ok(kind));
    }
    assert!("login".parse::<Kind>().unwrap_err().to_string().contains("decision, effect_applied"));
    let typed = Anchor { at: None, ..anchor(&chain(1)[0]) };
    assert_eq!(typed.to_string().parse(), Ok(typed));
    assert!("7".parse::<Anchor>().is_err() && "7:00".parse::<Anchor>().is_err());
    let digest = chain(1)[0].hash;
    assert_eq!(digest.to_string().parse(), Ok(digest));
    for bad in ["", "00", &"é".repeat(32), &"+1".repeat(32)] {
        assert_eq!(bad.parse::<Digest>(), Err(NotADigest), "{bad}");
    }
}

fn any_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(".{0,12}")
}

prop_compose! {
    fn any_entry()(
        kind in proptest::sample::select(&Kind::ALL[..14]),
        uid in proptest::option::of(proptest::option::of(any::<u32>())),
        at in any::<i32>(),
        texts in proptest::array::uniform8(any_text()),
        number in proptest::option::of(any::<i64>()),
        ids in any::<(Option<u128>, Option<u128>)>(),
    ) -> Entry {
        let [rule, action, config_revision, repository, before, after, note, _] = texts;
        let (event, effect) = (ids.0.map(Uuid::from_u128), ids.1.map(Uuid::from_u128));
        let cause = Cause { event, rule, effect, action, config_revision };
        let actor = uid.map_or(Actor::Orchd, Actor::Operator);
        Entry { kind, actor, at: i64::from(at), cause, repository, number, before, after, note }
    }
}

proptest! {
    /// Whatever is in the rows: untouched they hold, and whatever is done to one of them is found there.
    #[test]
    fn invariant_10_whatever_is_done_to_a_row_is_found_there(
        entries in proptest::collection::vec(any_entry(), 1..20),
        place in any::<Index>(),
        change in proptest::sample::select(&CHANGES[..]),
    ) {
        let rows = sealed(entries);
        prop_assert!(verified(&rows, vec![anchor(&rows[rows.len() - 1])]).is_proved());
        let at = place.index(rows.len());
        let mut changed = rows.clone();
        change(&mut changed[at]);
        if changed != rows {
            prop_assert_eq!(faults(&changed), [Fault::Changed { seq: at as i64 + 1 }]);
        }
        let mut removed = rows.clone();
        removed.remove(at);
        let report = verified(&removed, vec![anchor(&rows[rows.len() - 1])]);
        prop_assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    }

    #[test]
    fn no_two_lists_of_fields_have_the_same_hash(one in any_entry(), other in any_entry()) {
        let hash = |entry: Entry| entry.seal(1, Digest::START, [0; 16]).hash;
        prop_assert_eq!(one == other, hash(one) == hash(other));
    }
}
