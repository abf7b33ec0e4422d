//! Golden scripts for the projector: commands and failures in, effects on both stores out.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Poller, Poll, Waker};
use std::time::Duration;

use goldenscript::{Command, Context};
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::language::Language;
use soma_core::embed::sparse::{self, Lexicon};
use soma_core::embed::words::Words;
use soma_core::error::Code;
use soma_core::event::schemas::Any;
use soma_core::event::{Event, EventType, codec};
use soma_core::ids::{EventId, MemoryId};
use soma_core::index::Point;
use soma_core::log::{Appended, DeadLetters, EventLog, NewRecord};
use soma_core::projector::observe::Nobody;
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::store::{Progress, ProjectorName, Reading};
use soma_core::testing::sample::{event_id, memory_id, namespace, record, set, time};
use soma_core::testing::{Index, Letters, Log, SeededClock, Store};
use soma_testkit::faults::{self, Fate, Faults, Standing};

use crate::scripts::run_folder;

#[test]
fn golden_scripts() {
    run_folder("projector", Script::new);
}

/// Commands that write: `remember|update|delete m<n> ["text"] [id=e<n>] [ns=<namespace>] [seq=<n>]
/// [thread=<name>]` (a turn of the thread `talk` when it has a `seq`), `tombstone m<n>`, `poison m<n>`, `redrive <offset>`.
/// Commands that fail: `outage <port>`, `recovery`, `refuse e<n>`, `forget-unflushed`, `recreate`, `retain <offset>`
/// (what lies before is gone), and what an operator does about it: `renew`.
/// Commands that project: `project [crash=<before|after>_<call>]` to the end of the log or the first
/// failure, `restart`, `flush`, `log`, `find <word>` (whose points hold it), `wait <seconds>` (then as `project`).
/// `lag <seconds>` at the beginning: a flush of the index becomes durable after that long.
struct Script {
    clock: Arc<SeededClock>,
    log: Arc<Log>,
    letters: Arc<Letters>,
    store: Arc<Store>,
    index: Arc<Index>,
    embedder: Arc<HashEmbedder>,
    refused: Arc<Mutex<BTreeSet<EventId>>>,
    plan: Arc<Mutex<Plan>>,
    faults: Arc<Faults>,
    worker: Option<Worker>,
    events: u64,
}

/// What fails next.
#[derive(Default)]
struct Plan {
    crash: Option<(String, Fate)>,
    outage: Option<String>,
}

type Answer = Result<String, Box<dyn Error>>;

impl goldenscript::Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Answer {
        let mut args = command.consume_args();
        let answer = match command.name.as_str() {
            "remember" => self.write(EventType::Created, &mut args)?,
            "update" => self.write(EventType::Updated, &mut args)?,
            "delete" => self.write(EventType::Deleted, &mut args)?,
            "tombstone" => self.append(NewRecord { value: None, ..self.blank(&mut args)? })?,
            "poison" => self.append(NewRecord { value: Some(b"{".to_vec()), ..self.blank(&mut args)? })?,
            "redrive" => self.redrive(args.next_pos().ok_or("which offset?")?.parse()?)?,
            "outage" => self.plan(|plan| plan.outage = args.next_pos().map(str::to_owned)),
            "recovery" => self.plan(|plan| plan.outage = None),
            "refuse" => {
                let id = event_id(numbered(args.next_pos(), 'e')?);
                self.refused.lock().expect("nobody panics here").insert(id);
                String::new()
            }
            "forget-unflushed" => {
                self.index.forget();
                self.start()
            }
            "restart" => self.start(),
            "recreate" => {
                self.log.recreate();
                String::new()
            }
            "retain" => {
                self.log.retain_from(0, args.next_pos().ok_or("from which offset?")?.parse()?);
                String::new()
            }
            "renew" => {
                self.log = Arc::new(self.log.renewed("log#2"));
                self.start()
            }
            "flush" => {
                self.clock.advance(Duration::from_secs(2));
                self.project(None)?
            }
            "lag" => {
                let lag = Duration::from_secs(args.next_pos().ok_or("how many seconds?")?.parse()?);
                let index = Index::lagging(self.embedder.identity().clone(), lag, Arc::clone(&self.clock) as _);
                self.index = Arc::new(index);
                self.start()
            }
            "wait" => {
                self.clock.advance(Duration::from_secs(args.next_pos().ok_or("how many seconds?")?.parse()?));
                self.project(None)?
            }
            "project" => self.project(args.take_key("crash"))?,
            "log" => self.spell_log(),
            "find" => self.find(args.next_pos().ok_or("which word?")?),
            name => return Err(format!("unknown command {name}").into()),
        };
        args.reject_next()?;
        Ok(answer)
    }
}

fn numbered(text: Option<&str>, letter: char) -> Result<u64, Box<dyn Error>> {
    let number = text.and_then(|text| text.strip_prefix(letter));
    Ok(number.ok_or_else(|| format!("name it {letter}1, {letter}2, …"))?.parse()?)
}

fn event(id: EventId) -> String {
    (0..100)
        .find(|number| event_id(*number) == id)
        .map_or_else(|| "tombstone".to_owned(), |number| format!("e{number}"))
}

fn memory(id: MemoryId) -> String {
    (0..100).find(|number| memory_id(*number) == id).map_or_else(|| id.to_string(), |number| format!("m{number}"))
}

/// Writing.
impl Script {
    fn write(&mut self, kind: EventType, args: &mut goldenscript::ArgumentConsumer<'_>) -> Answer {
        let id = numbered(args.next_pos(), 'm')?;
        self.events += 1;
        let number = args.take_key("id").map_or(Ok(self.events), |id| numbered(Some(id), 'e'))?;
        let event = set(kind, id, number, args.next_pos().unwrap_or_default());
        let (thread, seq) = (args.take_key("thread"), args.take_key("seq"));
        let mut event = event;
        if let (Some(content), true) = (&mut event.content, thread.or(seq).is_some()) {
            content.payload["thread"] = thread.unwrap_or("talk").into();
            if let Some(seq) = seq {
                content.payload["seq"] = seq.parse::<f64>()?.into();
            }
        }
        let event = Event { namespace: Some(namespace(args.take_key("ns").unwrap_or("demo"))), ..event };
        let event = if kind == EventType::Deleted { Event { content: None, ..event } } else { event };
        // Without its id, so that the log takes a duplicate as a topic would.
        self.append(NewRecord { event_id: None, ..record(&event) })
    }

    fn blank(&self, args: &mut goldenscript::ArgumentConsumer<'_>) -> Result<NewRecord, Box<dyn Error>> {
        let key = memory_id(numbered(args.next_pos(), 'm')?).to_string().into_bytes();
        Ok(NewRecord { key: Some(key), value: None, headers: Vec::new(), event_id: None })
    }

    fn append(&self, record: NewRecord) -> Answer {
        match self.clock.block_on(self.log.append(vec![record]))?.pop() {
            Some(Appended::New(_)) => Ok(String::new()),
            Some(Appended::Existing(_)) | None => Err("the log took nothing".into()),
        }
    }

    fn redrive(&self, offset: u64) -> Answer {
        let letters = self.clock.block_on(self.letters.list(None, 100))?;
        let letter = letters.into_iter().find(|letter| letter.record.place.offset == offset);
        let record = letter.ok_or("there is no letter of that offset")?.record;
        let origin = [
            (codec::ORIGIN_LOG, record.place.log.to_string()),
            (codec::ORIGIN_PARTITION, record.place.partition.to_string()),
            (codec::ORIGIN_OFFSET, record.place.offset.to_string()),
        ];
        let mut headers = record.headers;
        headers.extend(origin.map(|(name, value)| (name.to_owned(), value.into_bytes())));
        self.refused.lock().expect("nobody panics here").clear();
        self.append(NewRecord { key: record.key, value: record.value, headers, event_id: None })
    }

    fn find(&self, word: &str) -> String {
        assert_eq!(
            sparse::question(&Words::of(word), Language::English).len(),
            1,
            "{word} is one word that is indexed"
        );
        let term = |point: &Point| Lexicon::of(&point.namespace, Language::English).term(word);
        let holds = |point: &Point| point.sparse.indices.contains(&term(point));
        let found: Vec<String> = self.index.points().into_iter().filter(holds).map(|point| memory(point.id)).collect();
        format!("{word}: {}", if found.is_empty() { "-".to_owned() } else { found.join(" ") })
    }

    fn spell_log(&self) -> String {
        let spell = |record: &soma_core::log::Record| {
            let value = record
                .value
                .as_deref()
                .map_or_else(|| "tombstone".to_owned(), |value| String::from_utf8_lossy(value).into_owned());
            let text = value.split("\"text\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let erased = if record.header(codec::ERASED).is_some() { " erased" } else { "" };
            format!("{}{erased} {}\n", record.place.offset, text.unwrap_or("-"))
        };
        self.log.records().iter().map(spell).collect()
    }
}

/// Projecting.
impl Script {
    fn new() -> Self {
        let clock = Arc::new(SeededClock::waiting(1));
        let embedder = Arc::new(HashEmbedder::new(64).expect("64 dimensions are allowed"));
        let mut script = Self {
            log: Arc::new(Log::new("log", 1, Arc::clone(&clock) as _)),
            letters: Arc::new(Letters::new()),
            store: Arc::new(Store::new()),
            index: Arc::new(Index::new(embedder.identity().clone())),
            embedder,
            clock,
            refused: Arc::default(),
            plan: Arc::default(),
            faults: Faults::new(Box::new(|_| Fate::Pass), Arc::default()),
            worker: None,
            events: 0,
        };
        script.start();
        script
    }

    fn plan(&self, change: impl FnOnce(&mut Plan)) -> String {
        change(&mut self.plan.lock().expect("nobody panics here"));
        String::new()
    }

    /// A new process over the same stores.
    fn start(&mut self) -> String {
        let plan = Arc::clone(&self.plan);
        let script = move |call: &'static str| {
            let mut plan = plan.lock().expect("nobody panics here");
            let is_out = plan.outage.as_deref().is_some_and(|port| call.starts_with(port));
            let crash = plan.crash.take_if(|(at, _)| call == at);
            crash.map_or(if is_out { Fate::FailBefore(Code::Unavailable) } else { Fate::Pass }, |(_, fate)| fate)
        };
        let faults = Faults::new(Box::new(script), Arc::clone(&self.refused));
        let projector = Projector {
            name: ProjectorName::memory(),
            log: Arc::new(faults::Log { inner: Arc::clone(&self.log) as _, faults: Arc::clone(&faults) }),
            letters: Arc::new(faults::Letters { inner: Arc::clone(&self.letters) as _, faults: Arc::clone(&faults) }),
            store: Arc::new(faults::Store { inner: Arc::clone(&self.store) as _, faults: Arc::clone(&faults) }),
            index: Some(Arc::new(faults::Index { inner: Arc::clone(&self.index) as _, faults: Arc::clone(&faults) })),
            embedder: Arc::clone(&self.embedder) as _,
            schemas: Arc::new(Any),
            clock: Arc::clone(&self.clock) as _,
            observer: Arc::new(Nobody),
            options: Options::default(),
        };
        self.faults = faults;
        self.worker = Some(Worker::new(projector, 0));
        String::new()
    }

    fn project(&mut self, crash: Option<&str>) -> Answer {
        if let Some(crash) = crash {
            let (when, call) = crash.split_once('_').ok_or("crash before_ or after_ which call?")?;
            let fate = if when == "before" { Fate::CrashBefore } else { Fate::CrashAfter };
            self.plan(|plan| plan.crash = Some((call.to_owned(), fate)));
        }
        let before = Picture::of(self)?;
        let end = self.step_to_the_end();
        self.plan(|plan| plan.crash = None);
        Ok(Picture::of(self)?.since(&before) + &end)
    }

    /// Steps until there is nothing to do or something is wrong.
    fn step_to_the_end(&mut self) -> String {
        let Some(mut worker) = self.worker.take() else { return "halted\n".to_owned() };
        loop {
            let polled = {
                let mut step = pin!(worker.step());
                loop {
                    match step.as_mut().poll(&mut Poller::from_waker(Waker::noop())) {
                        Poll::Ready(step) => break Some(step),
                        Poll::Pending if self.faults.standing() == Standing::Dead => break None,
                        Poll::Pending => {}
                    }
                }
            };
            match polled {
                None => {
                    self.start();
                    return "crash\n".to_owned();
                }
                Some(Step::Claimed { .. } | Step::Projected { .. } | Step::Flushed) => {}
                Some(Step::Idle) => {
                    self.worker = Some(worker);
                    return String::new();
                }
                Some(Step::Failed { component, error, .. }) => {
                    self.worker = Some(worker);
                    return format!("paused: {}: {error}\n", component.as_str());
                }
                Some(Step::Released(error)) => {
                    self.worker = Some(worker);
                    return format!("released: {error}\n");
                }
                Some(Step::Halted(error)) => return format!("halted: {error}\n"),
            }
        }
    }
}

/// What everybody can see, as lines.
struct Picture {
    points: BTreeMap<MemoryId, String>,
    states: BTreeMap<MemoryId, String>,
    letters: BTreeSet<String>,
    position: (u64, u64),
}

impl Picture {
    fn of(script: &Script) -> Result<Self, Box<dyn Error>> {
        script.clock.block_on(async {
            let points = script.index.points().into_iter();
            let states = script.store.scan(None, 100).await?.into_iter();
            let letters = script.letters.list(None, 100).await?.into_iter();
            let rows = script.store.positions().await?;
            let told = |state: &soma_core::fold::State| {
                let text =
                    state.content.as_ref().map_or("gone".to_owned(), |content| content.payload["text"].to_string());
                let second = (state.updated_at.0 - time(0).0) / 1_000_000;
                format!("{} {text} v{} at {second}", event(state.event_id), state.version)
            };
            Ok(Self {
                points: points
                    .map(|point| (point.id, format!("{} {}", event(point.event_id), point.payload["text"])))
                    .collect(),
                states: states.map(|state| (state.id, told(&state))).collect(),
                letters: letters
                    .map(|letter| format!("{} {}: {}", letter.record.place.offset, letter.reason, letter.error))
                    .collect(),
                position: rows.first().map_or((0, 0), |row| (row.next, row.indexed)),
            })
        })
    }

    /// What has changed.
    fn since(&self, before: &Self) -> String {
        let mut lines = Vec::new();
        for (id, point) in &self.points {
            if before.points.get(id) != Some(point) {
                lines.push(format!("index upsert {} {point}", memory(*id)));
            }
        }
        for id in before.points.keys().filter(|id| !self.points.contains_key(id)) {
            lines.push(format!("index delete {}", memory(*id)));
        }
        for (id, state) in &self.states {
            if before.states.get(id) != Some(state) {
                lines.push(format!("store apply {} {state}", memory(*id)));
            }
        }
        lines.extend(self.letters.difference(&before.letters).map(|letter| format!("dead letter {letter}")));
        if self.position.0 != before.position.0 {
            lines.push(format!("position {}", self.position.0));
        }
        if self.position.1 != before.position.1 {
            lines.push(format!("indexed {}", self.position.1));
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
