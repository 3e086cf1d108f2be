//! `ticket` and `allow`: the devices that may use this node.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use media_config::{Bitrate, Id52, PluginKind, Size};
use media_protocol::Route;
use qrcode::{QrCode, render::unicode::Dense1x2};
use serde_json::{Value, json};

use super::{
    Context,
    args::{GrantOptions, TicketCommand},
    running::ask_node,
    stdout::{print, print_json, table},
};
use crate::{
    access::{AccessAnswer, AccessEntry, AccessError, AccessRequest, Bounds, NewAccess, Rights, date},
    control_socket::Request,
    exit::{Exit, ExitContext, ExitError},
    ui::sanitize,
};

/// `ticket`.
pub(super) fn run(context: &Context, command: TicketCommand) -> Result<(), ExitError> {
    match command {
        TicketCommand::New { grant, once, qr } => new(context, grant, once, qr),
        TicketCommand::List { json } => list(context, json),
        TicketCommand::Revoke { label } => {
            let answer = ask(context, AccessRequest::Revoke { label })?;
            let AccessAnswer::Revoked(entry) = answer else { return Err(unexpected()) };
            print([format!("revoked {}", entry.label)])
        }
    }
}

/// `allow ID52 --for LABEL`.
pub(super) fn allow(context: &Context, identity: &str, grant: GrantOptions) -> Result<(), ExitError> {
    let wrong = || ExitError::new(Exit::Usage, AccessError::BadIdentity(identity.into()));
    let identity = Id52::new(identity.trim()).ok_or_else(wrong)?.as_str().to_owned();
    warn_of_folders(context, &grant.folder);
    let request = AccessRequest::Create(NewAccess { identity: Some(identity), ..access(grant) });
    let AccessAnswer::Created { entry, .. } = ask(context, request)? else { return Err(unexpected()) };
    print([sanitize(&format!("allowed as {}: {}", entry.label, describe(&entry)))])
}

fn new(context: &Context, grant: GrantOptions, once: bool, qr: bool) -> Result<(), ExitError> {
    warn_of_folders(context, &grant.folder);
    let request = AccessRequest::Create(NewAccess { once, ..access(grant) });
    let answer = ask(context, request)?;
    let AccessAnswer::Created { entry, ticket: Some(ticket) } = answer else { return Err(unexpected()) };
    eprintln!(
        "ticket for {}: {}; it is shown this once",
        sanitize(&entry.label),
        sanitize(&describe(&entry))
    );
    eprintln!("on that device, run `media-node add - as NAME` and paste it");
    if context.config.access.mode == media_config::AccessMode::List {
        eprintln!("warning: access.mode is \"list\", so this node ignores tickets; use `media-node allow`");
    }
    let code = if qr { Some(qr_code(&ticket)?) } else { None };
    print([ticket].into_iter().chain(code))
}

/// The grant that the options describe.
fn access(options: GrantOptions) -> NewAccess {
    let GrantOptions {
        label,
        listener,
        expires,
        folder,
        lossy_only,
        max,
        quota,
        no_originals,
        edit,
        control,
    } = options;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    NewAccess {
        label,
        listener,
        identity: None,
        rights: Rights { originals: !no_originals, edit, control },
        bounds: Bounds {
            folders: folder,
            lossy_only,
            max_bitrate: max.map(Bitrate::get),
            quota,
            expires: expires.map(|span| (now + span).as_secs()),
        },
        once: false,
    }
}

/// Lets the running node answer a request about tickets, since it does not read the stored state again. Without a running
/// node, the stored state answers.
fn ask(context: &Context, request: AccessRequest) -> Result<AccessAnswer, ExitError> {
    let data = serde_json::to_value(&request).context(Exit::Failed, "writing a request")?;
    if let Some(answer) = ask_node(context, &Request { request: "access".into(), data })? {
        return serde_json::from_value(answer).context(Exit::Failed, "reading the answer of the node");
    }
    let routes = stored_routes(context)?;
    let is_ticket = matches!(&request, AccessRequest::Create(new) if new.identity.is_none());
    let answer = context.access_book()?.handle(request, &routes).or_exit(Exit::Usage)?;
    if is_ticket && !is_found_by_identity(context) {
        eprintln!(
            "warning: this ticket has no addresses, and mDNS and relays are off: run this while `media-node serve` runs"
        );
    }
    Ok(answer)
}

/// Routes to this node without addresses, which are known only while it runs.
fn stored_routes(context: &Context) -> Result<Vec<Route>, ExitError> {
    let key = context.key()?;
    let route = |transport: std::sync::Arc<dyn media_plugin_sdk::transport::Transport>| Route {
        transport: transport.info().id,
        peer: transport.identity(&key.0),
        addresses: Vec::new(),
    };
    Ok(context.transports()?.into_iter().map(route).collect())
}

/// Tells if other devices find this node by its identity alone, by mDNS or through a relay.
fn is_found_by_identity(context: &Context) -> bool {
    let options = context.config.plugin_options(PluginKind::Transport, "fastn");
    let options: Value = serde_json::from_str(&options).unwrap_or_default();
    options["mdns"] != json!(false) || options["relay"] != json!("off")
}

/// Warns of a folder that no configured folder of the library has.
fn warn_of_folders(context: &Context, folders: &[String]) {
    let paths = &context.config.library.paths;
    let is_missing = |folder: &&String| !paths.iter().any(|path| path.join(Path::new(folder)).is_dir());
    for folder in folders.iter().filter(is_missing).filter(|_| !paths.is_empty()) {
        eprintln!("warning: there is no folder {} in library.paths", sanitize(folder));
    }
}

fn list(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let AccessAnswer::Entries(entries) = ask(context, AccessRequest::List)? else { return Err(unexpected()) };
    if as_json {
        return print_json(&entries);
    }
    let row = |entry: &AccessEntry| {
        let used = entry.last_used.map_or("never used".into(), |at| format!("used {}", date(at)));
        let by = match entry.used_by.as_slice() {
            [] => String::new(),
            [one] => format!("by {one:.8}"),
            [last, others @ ..] => format!("by {last:.8} and {} more", others.len()),
        };
        let state = entry.refusal.clone().unwrap_or_default();
        [entry.label.clone(), describe(entry), used, by, megabytes(entry.bytes), state]
            .iter()
            .map(|cell| sanitize(cell))
            .collect()
    };
    print(table(&entries.iter().map(row).collect::<Vec<_>>()))
}

/// Rights and bounds in words.
fn describe(entry: &AccessEntry) -> String {
    let Bounds { folders, lossy_only, max_bitrate, quota, expires } = &entry.bounds;
    let mut words = vec![entry.rights.join(", ")];
    words.extend(entry.identity.as_ref().map(|id| format!("identity {id:.8}")));
    words.extend((entry.listener != entry.label).then(|| format!("listener {}", entry.listener)));
    words.extend((!folders.is_empty()).then(|| format!("only {}", folders.join(", "))));
    words.extend(lossy_only.then(|| "lossy only".to_owned()));
    words.extend(max_bitrate.map(|bits| format!("at most {}", Bitrate::from_bits(bits))));
    words.extend(quota.map(|quota| {
        let used = entry.quota_bytes.filter(|used| *used > 0);
        let used = used.map_or(String::new(), |used| format!(" ({} used)", megabytes(used)));
        format!("{}/{}{used}", Size::from_bytes(quota.bytes), quota.period.as_str())
    }));
    words.extend(expires.map(|at| format!("until {}", date(at))));
    words.extend(entry.once.then(|| "one device".to_owned()));
    words.join("; ")
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The ticket as a QR code of text blocks. Upper case takes fewer of them, and a reader takes either case.
fn qr_code(ticket: &str) -> Result<String, ExitError> {
    let code = QrCode::new(ticket.to_ascii_uppercase());
    let code = code.context(Exit::Failed, "making the QR code of the ticket")?;
    // Light modules are drawn, since most terminals are dark.
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build())
}

fn unexpected() -> ExitError {
    ExitError::new(Exit::Failed, "the running node gave an unexpected answer; is it of another version?")
}
