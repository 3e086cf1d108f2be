//! icecast2 on loopback with its own configuration, and ffmpeg as its source.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

pub(crate) struct Icecast {
    server: Child,
    source: Option<Child>,
    port: u16,
    _folder: TempDir,
}

impl Icecast {
    /// Streams `track` in Opus at 96 kbit/s to at most `listeners`. Prints a line and returns `None` if
    /// icecast2 is missing.
    pub(crate) fn start(track: &Path, listeners: usize) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.path().join("icecast.xml");
        fs::write(&file, configuration(folder.path(), port, listeners)).unwrap();
        let mut command = Command::new("icecast2");
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(server) = command.spawn() else {
            eprintln!("icecast2 is not installed: `apt-get install icecast2`");
            return None;
        };
        let mut icecast = Self { server, source: None, port, _folder: folder };
        icecast.wait();
        icecast.source = Some(source(track, port));
        // icecast2 turns listeners away until it has the stream's head.
        sleep(Duration::from_secs(5));
        Some(icecast)
    }

    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn wait(&mut self) {
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!(
            "icecast2 does not answer on port {}; it does not run as root without <changeowner>",
            self.port
        );
    }
}

impl Drop for Icecast {
    fn drop(&mut self) {
        for child in self.source.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn source(track: &Path, port: u16) -> Child {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-re", "-stream_loop", "-1", "-i"]).arg(track);
    command.args([
        "-c:a",
        "libopus",
        "-vbr",
        "off",
        "-b:a",
        "96k",
        "-f",
        "ogg",
        "-content_type",
        "audio/ogg",
    ]);
    command.arg(format!("icecast://source:hackme@127.0.0.1:{port}/s"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Debian's defaults, except for the number of clients, and for the user: icecast2 refuses root.
fn configuration(folder: &Path, port: u16, listeners: usize) -> String {
    let folder_name = folder.display();
    let root = fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    let owner = match root {
        true => "<changeowner><user>nobody</user><group>nogroup</group></changeowner>",
        false => "",
    };
    format!(
        "<icecast><limits><clients>{listeners}</clients><sources>2</sources><queue-size>524288</queue-size>\
         <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>\
         <burst-on-connect>1</burst-on-connect><burst-size>65535</burst-size></limits>\
         <authentication><source-password>hackme</source-password><relay-password>hackme</relay-password>\
         <admin-user>admin</admin-user><admin-password>hackme</admin-password></authentication>\
         <hostname>localhost</hostname><listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address>\
         </listen-socket><fileserve>0</fileserve><paths><basedir>{folder_name}</basedir><logdir>{folder_name}</logdir>\
         <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>\
         <logging><accesslog>-</accesslog><errorlog>-</errorlog><loglevel>1</loglevel></logging>\
         <security><chroot>0</chroot>{owner}</security></icecast>"
    )
}
