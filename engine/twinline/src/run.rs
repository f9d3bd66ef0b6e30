//! `twinline run`: from a configuration to a running engine, and out again in order.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as SignalIterator;
use twinline_config::Config;
use twinline_control::{Access, MetricsServer, Server};
use twinline_management::commits::{self, Clocks};
use twinline_management::{ManagementCore, Signals, Surroundings, Vitals};

use crate::claims::Claims;
use crate::console::{self, Ending, Engine, Place, TerminalSettings};
use crate::log_sink::{AbovePrompt, LogSink};
use crate::output;
use crate::service::{self, Reloads, Sights};

/// How long the management loop may take for a turn until `/healthz` says that it does not turn.
const HEALTHY: Duration = Duration::from_secs(2);

/// Runs the engine until it is told to stop.
pub fn run(config_path: PathBuf, interactive: bool) -> anyhow::Result<ExitCode> {
    if interactive && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        anyhow::bail!(
            "--interactive needs a terminal; `twinline console` attaches to an engine later"
        );
    }
    let above = AbovePrompt::default();
    let sink = LogSink::spawn(above.clone()).context("the log's thread could not be started")?;
    let mut logger =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"));
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        logger.write_style(env_logger::WriteStyle::Always);
    }
    logger
        .target(env_logger::Target::Pipe(Box::new(sink.clone())))
        .format_timestamp_millis()
        .init();
    let terminal = interactive.then(TerminalSettings::now);
    let result = run_logged(config_path, &sink, interactive.then(|| above.clone()));
    if let Some(terminal) = terminal {
        // the console may still stand at its prompt
        above.forget();
        terminal.restore();
    }
    sink.flush_all();
    result
}

fn run_logged(
    config_path: PathBuf,
    sink: &LogSink,
    interactive: Option<AbovePrompt>,
) -> anyhow::Result<ExitCode> {
    let started = match commits::begin(&config_path, &Clocks::now()) {
        Ok(started) => started,
        Err(errors) => {
            for error in errors.iter() {
                output::complain(&format!("twinline: {error}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &started.loaded.warnings {
        log::warn!("{warning}");
    }
    let config = started.loaded.config;
    // What the operator is most likely to have wrong is found before the EAL takes the machine.
    config.load_keys()?;
    let (server, calls) = Server::bind(
        &config.instance.control_socket,
        &Access {
            group: config.instance.control_group.clone(),
            read_only: false,
        },
    )?;
    let (read_server, read_calls) = match &config.instance.control_read_group {
        None => (None, None),
        Some(group) => {
            let access = Access {
                group: Some(group.clone()),
                read_only: true,
            };
            let (server, calls) = Server::bind(config.instance.read_socket(), &access)?;
            (Some(server), Some(calls))
        }
    };

    let claims = Claims::take(&config)?;
    let signals = Arc::new(Signals::default());
    let vitals = Arc::new(Vitals::default());
    let reloads = Arc::new(Reloads::default());
    watch_signals(
        signals.clone(),
        vitals.clone(),
        reloads.clone(),
        sink.clone(),
        interactive.is_some(),
    )?;
    if let Some(above) = interactive {
        // before the EAL pins this thread: what it starts later would be pinned as well
        attach_console(&config, signals.clone(), above)?;
    }
    let metrics = match config.metrics.address {
        None => None,
        Some(address) => {
            let vitals = vitals.clone();
            let healthy = move || vitals.stepped_within(HEALTHY);
            let server = MetricsServer::bind(address, server.asker(), healthy)?;
            log::info!("metrics at http://{}/metrics", server.address());
            Some(server)
        }
    };
    let socket = config.instance.control_socket.display().to_string();
    let name = config.instance.name.clone();
    // Before DPDK pins this thread, and with it what it starts, to the management core's own core.
    service::spawn(Sights {
        vitals: vitals.clone(),
        signals: signals.clone(),
        reloads,
    })?;
    let core = ManagementCore::start(
        config,
        started.past,
        Surroundings {
            config_path,
            calls,
            read_calls,
            signals,
            vitals,
            notify_launcher: notify_launcher(),
        },
    )?;
    log::info!("{name} runs; twinline ctl --socket {socket} show ha");
    core.run();
    drop((metrics, server, read_server, claims));
    log::info!("{name} has stopped");
    Ok(ExitCode::SUCCESS)
}

/// This program, as it runs now even if a newer one was installed: see [`exec_notify`].
fn notify_launcher() -> Vec<OsString> {
    let parent = std::process::id().to_string();
    ["/proc/self/exe", "exec-notify", &parent, "--"]
        .map(OsString::from)
        .into()
}

/// Becomes the program of `events.notify`.
pub fn exec_notify(parent: u32, words: &[OsString]) -> anyhow::Result<ExitCode> {
    let error = twinline_management::outlets::become_program(parent, words);
    let program = words.first().map(|word| word.display().to_string());
    anyhow::bail!("events.notify: {}: {error}", program.unwrap_or_default())
}

/// A console in this terminal, once the engine runs.
fn attach_console(
    config: &Config,
    signals: Arc<Signals>,
    above: AbovePrompt,
) -> anyhow::Result<()> {
    let engine = Engine::new(Place::At(config.instance.control_socket.clone()));
    signal_hook::flag::register(SIGINT, engine.interrupted.clone())
        .context("Ctrl-C could not be set up")?;
    let attach = move || {
        while !signals.running.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        match console::attached(engine, |printer| above.print_with(printer)) {
            Ok(Ending::Quit) => {
                above.forget();
                signals.stops.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Ending::Lost) => {
                above.forget();
                log::warn!("the terminal is gone: the engine runs on; `twinline console` attaches");
            }
            Err(error) => {
                above.forget();
                log::error!("no console: {error:#}; `twinline console` attaches to the engine");
            }
        }
    };
    std::thread::Builder::new()
        .name("console".into())
        .spawn(attach)
        .context("the console's thread could not be started")?;
    Ok(())
}

fn watch_signals(
    signals: Arc<Signals>,
    vitals: Arc<Vitals>,
    reloads: Arc<Reloads>,
    sink: LogSink,
    interactive: bool,
) -> anyhow::Result<()> {
    // with a console, Ctrl-C clears its line or ends its `watch`
    let wanted: &[i32] = match interactive {
        true => &[SIGTERM, SIGHUP],
        false => &[SIGTERM, SIGINT, SIGHUP],
    };
    let mut incoming = SignalIterator::new(wanted).context("signal handlers could not be set")?;
    let watch = move || {
        for signal in &mut incoming {
            match signal {
                SIGHUP => {
                    // The service manager's thread first: it is to see the reload end.
                    reloads.ask(&vitals);
                    signals.reload.store(true, Ordering::Relaxed);
                }
                stop => {
                    let earlier = signals.stops.fetch_add(1, Ordering::Relaxed);
                    end_if_nobody_listens(stop, earlier, &signals, &sink);
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .context("the signal thread could not be started")?;
    Ok(())
}

/// While the engine starts, nothing is carried and nobody looks at the signals: DPDK may take
/// minutes with much memory, or hang in a driver. The same where two signals changed nothing.
fn end_if_nobody_listens(signal: i32, earlier: usize, signals: &Signals, sink: &LogSink) {
    let running = signals.running.load(Ordering::Relaxed);
    if running && earlier < 2 {
        return;
    }
    let when = if running {
        "the third stop signal"
    } else {
        "stop signal while the engine starts"
    };
    log::warn!("{when}: ending at once");
    sink.flush_all();
    if let Err(error) = signal_hook::low_level::emulate_default_handler(signal) {
        log::error!("signal {signal} cannot end the process: {error}");
    }
}
