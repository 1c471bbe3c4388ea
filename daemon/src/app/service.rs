//! What the service manager is told (sd_notify(3)): ready, stopping, that orchd is alive, and in words how it is.
//!
//! Alive is not "the process exists": a sign of life is given only after the loops that store deliveries and run jobs were seen
//! to move, and the store answered. A store that *fails* is an answer, for a restart would not mend it, and health says so;
//! one that is silent is not. Without a service manager all of this is for nobody, and costs a look every ten seconds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::config::live::LiveConfig;
use crate::engine::Engine;
use crate::engine::pulse::Pulse;
use crate::store::StoreError;
use crate::store::jobs::QueueDepth;

/// How often the status is written anew when no watchdog asks for more. A third of the watchdog's time otherwise, so that
/// one sign may come late.
const LOOK: Duration = Duration::from_secs(10);

/// Of a revision as people are shown it.
const SHORT_REVISION: usize = 12;

pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: running jobs finish or are given back")]);
}

/// Tells how it is, and feeds the watchdog while everything moves, until told to stop.
pub(super) async fn keep_telling(engine: Engine, loops: [(&'static str, Pulse); 2], stop: CancellationToken) {
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(LOOK, |limit| (limit / 3).min(LOOK));
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let depth = tokio::time::timeout(every, engine.db.queue_depth()).await.ok();
        let stuck = stuck_in(&loops, every).or(depth.is_none().then_some("the store"));
        if let Some(what) = stuck {
            tracing::error!(
                what,
                within_seconds = every.as_secs_f64(),
                "no sign of life: systemd restarts orchd if this goes on"
            );
        } else if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        let status = words(depth.as_ref(), stuck, &engine.config, Utc::now());
        if status != told {
            tell(&[NotifyState::Status(&status)]);
            told = status;
        }
    }
}

/// Fails only outside systemd, where nobody listens.
fn tell(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}

/// The first loop that has been in one step for longer.
fn stuck_in(loops: &[(&'static str, Pulse)], limit: Duration) -> Option<&'static str> {
    loops.iter().find(|(_, pulse)| pulse.stuck_for() > limit).map(|(name, _)| *name)
}

/// One line for `systemctl status`.
fn words(
    depth: Option<&Result<QueueDepth, StoreError>>,
    stuck: Option<&str>,
    config: &LiveConfig,
    now: DateTime<Utc>,
) -> String {
    let mut parts = vec![match (depth, stuck) {
        (_, Some(what)) => format!("{what} does not move"),
        (Some(Ok(depth)), None) => queue(depth, now),
        (Some(Err(_)) | None, None) => "the database fails; the log says why".to_owned(),
    }];
    let live = config.status();
    let revision: String = live.revision.hash.chars().take(SHORT_REVISION).collect();
    parts.push(match (&live.refused, &live.held) {
        (Some(_), _) => format!("config {revision}, the one on disk is refused"),
        (None, Some(_)) => format!("config {revision}, the one on disk waits for `orchd config confirm`"),
        (None, None) => format!("config {revision}"),
    });
    parts.join("; ")
}

fn queue(depth: &QueueDepth, now: DateTime<Utc>) -> String {
    let waits = match (depth.queued, depth.oldest_queued) {
        (0, _) => "no jobs wait".to_owned(),
        (queued, None) => format!("{queued} jobs wait"),
        (queued, Some(oldest)) => {
            let seconds = (now - oldest).num_seconds().max(0);
            format!("{queued} jobs wait, the oldest for {seconds} s")
        }
    };
    match depth.dead {
        0 => format!("{waits}, {} run", depth.running),
        dead => format!("{waits}, {} run, {dead} dead letters (orchd jobs list --state dead)", depth.running),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn depth(queued: u64, running: u64, dead: u64, age: i64, now: DateTime<Utc>) -> QueueDepth {
        let oldest = Some(now - TimeDelta::seconds(age));
        QueueDepth { queued, running, dead, oldest_queued: oldest, oldest_running: None, oldest_dead: None }
    }

    #[test]
    fn the_queue_is_told_in_a_line() {
        let now = Utc::now();
        assert_eq!(queue(&depth(0, 0, 0, 0, now), now), "no jobs wait, 0 run");
        assert_eq!(queue(&depth(12, 8, 0, 3, now), now), "12 jobs wait, the oldest for 3 s, 8 run");
        assert_eq!(
            queue(&depth(1, 0, 2, -5, now), now),
            "1 jobs wait, the oldest for 0 s, 0 run, 2 dead letters (orchd jobs list --state dead)"
        );
    }

    #[test]
    fn a_loop_that_does_not_move_is_named() {
        let (moves, stands) = (Pulse::default(), Pulse::default());
        let loops = [("ingest", moves), ("the queue", stands.clone())];
        assert_eq!(stuck_in(&loops, Duration::ZERO), None);
        let _step = stands.step();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(stuck_in(&loops, Duration::from_millis(1)), Some("the queue"));
        assert_eq!(stuck_in(&loops, Duration::from_secs(60)), None);
    }
}
