//! `twinline run`: from a configuration to a running engine, and out again in order.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as SignalIterator;
use twinline_control::{Access, Server};
use twinline_management::commits::{self, Clocks};
use twinline_management::{ManagementCore, Signals, Surroundings};

use crate::claims::Claims;
use crate::log_sink::LogSink;
use crate::output;

/// Runs the engine until it is told to stop.
pub fn run(config_path: PathBuf) -> anyhow::Result<ExitCode> {
    let sink = LogSink::spawn(io::stderr()).context("the log's thread could not be started")?;
    let mut logger =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"));
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        logger.write_style(env_logger::WriteStyle::Always);
    }
    logger
        .target(env_logger::Target::Pipe(Box::new(sink.clone())))
        .format_timestamp_millis()
        .init();
    let result = run_logged(config_path, &sink);
    sink.flush_all();
    result
}

fn run_logged(config_path: PathBuf, sink: &LogSink) -> anyhow::Result<ExitCode> {
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
    watch_signals(signals.clone(), sink.clone())?;
    let socket = config.instance.control_socket.display().to_string();
    let name = config.instance.name.clone();
    let core = ManagementCore::start(
        config,
        started.past,
        Surroundings {
            config_path,
            calls,
            read_calls,
            signals,
        },
    )?;
    log::info!("{name} runs; twinline ctl --socket {socket} show ha");
    core.run();
    drop((server, read_server, claims));
    log::info!("{name} has stopped");
    Ok(ExitCode::SUCCESS)
}

fn watch_signals(signals: Arc<Signals>, sink: LogSink) -> anyhow::Result<()> {
    let mut incoming = SignalIterator::new([SIGTERM, SIGINT, SIGHUP])
        .context("signal handlers could not be set")?;
    let watch = move || {
        for signal in &mut incoming {
            match signal {
                SIGHUP => signals.reload.store(true, Ordering::Relaxed),
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
