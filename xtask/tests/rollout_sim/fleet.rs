//! Fleets to roll out, sessions that end in the middle, and what is compared.

use std::collections::{BTreeMap, BTreeSet};

use xtask::journal::rollout::{End, decode, encode};
use xtask::rollout::{
    Colour, Deadlines, Event, Final, HostPlan, Options, Phase, Plan, Runner, Sink, State, Strategy,
    drive, fold,
};

use crate::seed::Seed;
use crate::target::{Quality, Target};
use crate::world::{Hands, World, path};

/// Short ones; what matters is how they relate.
pub fn deadlines() -> Deadlines {
    Deadlines {
        command: 5_000,
        build: 60_000,
        copy: 60_000,
        activation: 20_000,
        soak: 3_000,
        interval: 1_000,
        checks: 5_000,
        commit: 10_000,
        reboot: 90_000,
        lock_pause: 2_000,
        lock_tries: 3,
        bake: 5_000,
    }
}

pub const BAD: [Quality; 5] = [
    Quality::ActivationFails,
    Quality::ActivationHangs,
    Quality::HealthFails,
    Quality::CutsLink,
    Quality::ActivationFails,
];

pub fn host(name: &str, stage: u32) -> HostPlan {
    let mut host = HostPlan::new(name, stage, path(&format!("{name}-new")));
    host.deadlines = deadlines();
    host
}

pub fn plan(id: &str, hosts: Vec<HostPlan>, options: Options) -> Plan {
    Plan {
        id: id.to_owned(),
        stages: hosts.iter().map(|host| host.stage).collect(),
        hosts,
        revision: None,
        options,
    }
}

/// A world in which every host runs its old closure.
pub fn world(seed: u64, plan: &Plan) -> World {
    let mut world = World::new(seed);
    for host in &plan.hosts {
        let guard = world.seed.chance(50);
        let old = path(&format!("{}-old", host.name));
        world.add(&host.name, Target::new(old, guard));
    }
    if let Strategy::BlueGreen(groups) = &plan.options.strategy {
        world.groups = groups.clone();
        for (at, host) in plan.hosts.iter().enumerate() {
            if let (Some(group), Some(colour)) = (&host.group, host.colour) {
                let members = world.members.entry((group.clone(), colour));
                members.or_default().push(at);
            }
        }
    }
    world
}

/// Three stages, needs, groups, one of the strategies; a bad host in most.
pub fn three_stages(seed: u64) -> (Plan, BTreeMap<String, Quality>) {
    let mut random = Seed::new(seed);
    let mut hosts = vec![host("canary", 1)];
    for name in ["vpn", "dns1", "dns2"] {
        hosts.push(host(name, 2));
    }
    for name in ["blue1", "blue2", "green1", "green2"] {
        hosts.push(host(name, 3));
    }
    for host in &mut hosts {
        if host.name.starts_with("dns") {
            host.group = Some("dns".into());
            host.needs.insert("vpn".into());
        }
        if host.stage == 3 {
            host.group = Some("web".into());
            let blue = host.name.starts_with("blue");
            host.colour = Some(if blue { Colour::Blue } else { Colour::Green });
        }
    }
    let mut qualities = BTreeMap::new();
    for host in &hosts {
        if random.chance(15) {
            let quality = *random.pick(&[Quality::UnitsFailed, Quality::NeedsReboot]);
            qualities.insert(host.name.clone(), quality);
        }
    }
    if random.chance(60) {
        let bad = random.pick(&hosts).name.clone();
        qualities.insert(bad, *random.pick(&BAD));
    }
    let strategy = match random.below(3) {
        0 => Strategy::Rolling,
        1 => Strategy::Canary(1),
        _ => Strategy::BlueGreen(BTreeMap::from([("web".into(), Colour::Blue)])),
    };
    let options = Options {
        max_failures: random.below(2),
        strategy,
        ..Options::default()
    };
    (plan("r1", hosts, options), qualities)
}

pub fn set_qualities(world: &mut World, qualities: &BTreeMap<String, Quality>) {
    for (name, quality) in qualities {
        let at = world.names[name];
        let new = path(&format!("{name}-new"));
        world.targets[at].qualities.insert(new, *quality);
    }
}

/// A journal in memory that may end its operator.
#[derive(Debug, Default)]
pub struct Log {
    pub bytes: Vec<u8>,
    pub end: End,
    pub count: usize,
    /// The session ends with this record; `true`: in the middle of it.
    pub crash: Option<(usize, bool)>,
    /// Only counted, as if it were on a disk.
    pub elsewhere: bool,
    pub length: usize,
}

impl Sink for Log {
    type Error = ();

    fn append(&mut self, events: &[Event]) -> Result<(), ()> {
        for event in events {
            self.count += 1;
            let line = encode(&mut self.end, 0, event).unwrap();
            let crash = self.crash.filter(|(at, _)| *at == self.count);
            let kept = match crash {
                Some((_, true)) => line.len() / 2,
                _ => line.len(),
            };
            self.length += kept;
            if !self.elsewhere {
                self.bytes.extend(&line.as_bytes()[..kept]);
            }
            if crash.is_some() {
                return Err(());
            }
        }
        Ok(())
    }
}

/// What a journal says, repaired, and a sink that goes on with it.
pub fn reopen(mut bytes: Vec<u8>) -> (State, Log) {
    let decoded = decode(&bytes).unwrap();
    let state = fold(decoded.events()).unwrap();
    bytes.truncate(decoded.valid_length);
    let log = Log {
        bytes,
        count: decoded.entries.len(),
        end: decoded.end,
        ..Log::default()
    };
    (state, log)
}

/// Runs to the end, or to the crash; the second is the state then.
pub fn run(world: &mut World, plan: &Plan, crash: Option<(usize, bool)>) -> (Log, Option<State>) {
    let log = Log {
        crash,
        ..Log::default()
    };
    run_with(world, plan, log)
}

pub fn run_with(world: &mut World, plan: &Plan, log: Log) -> (Log, Option<State>) {
    let op = world.operator(&plan.id);
    // A session that does not even start leaves its journal as well.
    let mut shared = Shared(std::rc::Rc::new(std::cell::RefCell::new(log)));
    let log = shared.0.clone();
    let ended = Runner::start(plan.clone(), &mut shared).and_then(|(mut runner, first)| {
        drive(&mut runner, first, &mut Hands { world, op })?;
        Ok(runner.into_parts().0)
    });
    world.kill(op);
    drop(shared);
    let log = std::rc::Rc::into_inner(log).unwrap().into_inner();
    (log, ended.ok())
}

#[derive(Debug)]
struct Shared(std::rc::Rc<std::cell::RefCell<Log>>);

impl Sink for &mut Shared {
    type Error = ();

    fn append(&mut self, events: &[Event]) -> Result<(), ()> {
        self.0.borrow_mut().append(events)
    }
}

/// Takes a journal up and goes on to the end.
pub fn resume(world: &mut World, plan: &Plan, log: Log) -> (State, Log) {
    let (state, log) = reopen(log.bytes);
    let op = world.operator(&plan.id);
    let (mut runner, first) = Runner::resume(state, log).unwrap();
    drive(&mut runner, first, &mut Hands { world, op }).unwrap();
    let (state, log) = runner.into_parts();
    assert!(
        state.finished,
        "nothing is under way, and yet no end: {state:#?}"
    );
    (state, log)
}

/// What counts of an end: every host's system, profile, boot entry, the number of
/// the generation that was there before, whether it is confirmed; the stages; the exit status.
pub fn end(world: &World, state: &State) -> String {
    let mut text = String::new();
    for (name, at) in &world.names {
        let target = &world.targets[*at];
        // A promotion that the watchdog took back leaves its generation: none is
        // ever deleted. So the next one that leads there has another number.
        let before = *target.profile() == path(&format!("{name}-old"));
        text += &format!(
            "{name}: {} {}@{} {} {}\n",
            target.current,
            target.profile(),
            if before { target.generation } else { 0 },
            target.boot_default,
            state.host(name).unwrap().is_confirmed(),
        );
    }
    text + &format!("{:?} {}", state.confirmed, state.exit_status())
}

/// Every host is what its end says, and the exit status is 0 if and only if
/// all are as intended.
pub fn truth(world: &World, plan: &Plan, state: &State) {
    let mut all = true;
    for host in &plan.hosts {
        let seen = world.target(&host.name).observe();
        let old = path(&format!("{}-old", host.name));
        let (is_new, is_old) = (seen.is_all(&host.closure), seen.is_all(&old));
        assert!(is_new || is_old, "{}: {seen:?}\n{state:#?}", host.name);
        all &= is_new;
        let fits = match &state.host(&host.name).unwrap().phase {
            Phase::Final(Final::Confirmed | Final::Kept) => is_new,
            Phase::Final(Final::Unreachable { .. }) => true,
            Phase::Final(
                Final::RolledBack | Final::Untouched | Final::Restored | Final::Pending,
            )
            | Phase::Waiting => is_old,
            _ => false,
        };
        assert!(fits, "{}: {seen:?}\n{state:#?}", host.name);
    }
    if state.exit_status() == 0 {
        assert!(all, "exit status 0, and yet: {state:#?}");
    }
    let confirmed = |host: &HostPlan| state.host(&host.name).unwrap().is_confirmed();
    let read_back = plan.hosts.iter().all(confirmed);
    let early: BTreeSet<u32> = plan.stages.difference(&state.confirmed).copied().collect();
    if read_back && early.is_empty() && state.halt.is_none() {
        assert_eq!(state.exit_status(), 0);
    }
}
