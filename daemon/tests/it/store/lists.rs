use orchd::core::audit::{Actor, Entry, Kind};
use orchd::store::Among;
use orchd::store::audit::AuditFilter;
use orchd::store::config_revisions::ConfigRevisionRow;
use orchd::store::events::{EventFilter, EventStatus};
use orchd::store::jobs::JobFilter;
use serde_json::json;

use super::*;

async fn listed(db: &Db, filter: EventFilter) -> Vec<EventId> {
    db.events(&EventFilter { limit: 100, ..filter }).await.unwrap().rows.into_iter().map(|row| row.id).collect()
}

on_both! {
    async fn pages_go_from_newest_to_oldest_and_end(place) {
        let db = place.open().await;
        let mut wanted = store(&db, (0..25).map(|n| event("acme/web", n)).collect()).await;
        wanted.reverse();
        let mut filter = EventFilter { limit: 10, ..Default::default() };
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let page = db.events(&filter).await.unwrap();
            sizes.push(page.rows.len());
            seen.extend(page.rows.iter().map(|row| row.id));
            filter.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!((seen, sizes), (wanted.clone(), vec![10, 10, 5]));

        let jobs = db.jobs(&JobFilter { limit: 25, lane: Some("acme/web".to_owned()), ..Default::default() }).await.unwrap();
        assert_eq!((jobs.rows.len(), jobs.next), (25, None));
        let newer = EventFilter { newer_than: Some(wanted[3].0), ..Default::default() };
        assert_eq!(listed(&db, newer).await, [wanted[2], wanted[1], wanted[0]], "oldest first");
    }

    async fn each_filter_of_events_filters(place) {
        let db = place.open().await;
        let mut push = event("acme/api", 2);
        push.event_type = "push".to_owned();
        push.event_action = None;
        push.actor = Some("mona".to_owned());
        let mut old = event("acme/web", 1);
        old.received_at = noon() - seconds(3_600);
        let ids = store(&db, vec![push, old, bare_event()]).await;
        let is = |text: &str| Some(text.to_owned());

        let cases = [
            (EventFilter::default(), vec![ids[2], ids[1], ids[0]]),
            (EventFilter { repository: Some(name("ACME/api")), ..Default::default() }, vec![ids[0]]),
            (EventFilter { repository: Some(name("no/where")), ..Default::default() }, vec![]),
            (EventFilter { event_type: is("issues"), ..Default::default() }, vec![ids[2], ids[1]]),
            (EventFilter { event_action: is("opened"), ..Default::default() }, vec![ids[2], ids[1]]),
            (EventFilter { actor: is("mona"), ..Default::default() }, vec![ids[0]]),
            (EventFilter { number: Some(1), ..Default::default() }, vec![ids[1]]),
            (EventFilter { repository: Some(name("acme/web")), number: Some(1), ..Default::default() }, vec![ids[1]]),
            (EventFilter { since: Some(noon() - seconds(60)), ..Default::default() }, vec![ids[2], ids[0]]),
            (EventFilter { until: Some(noon() - seconds(60)), ..Default::default() }, vec![ids[1]]),
            (EventFilter { status: Some(EventStatus::Received), ..Default::default() }, vec![ids[2], ids[1], ids[0]]),
            (EventFilter { status: Some(EventStatus::Processed), ..Default::default() }, vec![]),
        ];
        for (filter, wanted) in cases {
            assert_eq!(listed(&db, filter.clone()).await, wanted, "{filter:?}");
        }

        let claims = db.claim("me", noon(), TERMS, 1, 0).await.unwrap();
        db.bury("me", claims[0].job.id, "no", noon()).await.unwrap();
        db.claim("me", noon(), TERMS, 1, 0).await.unwrap();
        for (status, wanted) in
            [(EventStatus::Failed, ids[0]), (EventStatus::Processing, ids[1]), (EventStatus::Received, ids[2])]
        {
            assert_eq!(listed(&db, EventFilter { status: Some(status), ..Default::default() }).await, [wanted]);
        }
    }

    async fn a_config_revision_is_recorded_once_and_dated_anew(place) {
        let db = place.open().await;
        let row = |revision: &str, at: i64| ConfigRevisionRow {
            revision: revision.to_owned(),
            git_commit: Some("abc".to_owned()),
            path: "/etc/orchd/orchd.yaml".to_owned(),
            effective: json!({"rules": [], "text": "a\0b"}),
            loaded_at: noon() + seconds(at),
        };
        let (first, second, again) = (row("a", 1), row("b", 2), row("a", 3));
        for each in [&first, &second, &again] {
            db.record_config(each).await.unwrap();
        }
        assert_eq!(db.config_revisions(10).await.unwrap(), [again.clone(), second]);
        assert_eq!(db.config_revisions(1).await.unwrap(), [again]);
    }

    async fn what_is_rare_is_found_in_pages_that_look_at_so_many_rows(place) {
        let db = place.open().await;
        let by = |actor: &str| NewEvent { actor: Some(actor.to_owned()), awaited: false, ..event("acme/web", 1) };
        let first = store(&db, vec![by("mona")]).await[0];
        for _ in 0..11 {
            store(&db, (0..1_000).map(|_| by("hubot")).collect()).await;
        }
        let last = store(&db, vec![by("mona")]).await[0];
        let web = name("acme/web");
        for among in [Among::All, Among::only([&web])] {
            for repository in [None, Some(web.clone())] {
                let mona = EventFilter {
                    actor: Some("mona".to_owned()),
                    limit: 10,
                    repository,
                    among: among.clone(),
                    ..Default::default()
                };
                let pages = async |mut filter: EventFilter, forward: bool| {
                    let mut pages = Vec::new();
                    loop {
                        let page = db.events(&filter).await.unwrap();
                        pages.push(page.rows.iter().map(|row| row.id).collect::<Vec<_>>());
                        match page.next {
                            None => return pages,
                            next if forward => filter.newer_than = next,
                            next => filter.after = next,
                        }
                    }
                };
                assert_eq!(pages(mona.clone(), false).await, [vec![last], vec![first]], "{mona:?}");
                let newer = EventFilter { newer_than: Some(first.0), ..mona };
                assert_eq!(pages(newer, true).await, [vec![], vec![last]]);
            }
        }
        let nothing = EventFilter { actor: Some("mona".to_owned()), among: Among::only([]), limit: 10, ..Default::default() };
        assert_eq!(db.events(&nothing).await.unwrap().next, None);
    }

    async fn the_rows_of_an_actor_are_found_in_pages_that_look_at_so_many(place) {
        let db = place.open().await;
        let by = |actor: Actor| Entry {
            repository: Some("acme/web".to_owned()),
            ..Entry::new(Kind::GuardReset, actor, noon())
        };
        let mona = || by(Actor::Person("mona".to_owned()));
        db.audit(vec![mona()]).await.unwrap();
        for _ in 0..11 {
            db.audit((0..1_000).map(|_| by(OPERATOR)).collect()).await.unwrap();
        }
        db.audit(vec![mona()]).await.unwrap();
        for among in [Among::All, Among::only([&name("acme/web")])] {
            for oldest_first in [false, true] {
                let mut filter = AuditFilter {
                    actor: Some("mona".to_owned()),
                    limit: 10,
                    oldest_first,
                    among: among.clone(),
                    ..Default::default()
                };
                let mut sizes = Vec::new();
                loop {
                    let page = db.audit_rows(&filter).await.unwrap();
                    sizes.push(page.rows.len());
                    filter.after = page.next;
                    if page.next.is_none() {
                        break;
                    }
                }
                assert_eq!(sizes, [1, 1]);
            }
        }
    }
}
