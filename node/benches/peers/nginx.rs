//! A web server for the stage's folder, on loopback, with its own configuration.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::stage;

pub(crate) struct Nginx {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Nginx {
    /// Serves the folder `root`.
    pub(crate) fn start(root: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = folder.path().display();
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = kinds.iter().map(|it| format!("{it}_temp_path {own}/{it};\n")).collect();
        // Without `user`, an nginx that root started cannot read root's folders.
        let configuration = format!(
            "daemon off; worker_processes 1; user root; pid {own}/pid; error_log {own}/error.log;\n\
             events {{}}\nhttp {{ access_log off; sendfile on; {temporary}\n\
             server {{ listen 127.0.0.1:{port}; root {}; }} }}\n",
            root.display()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("nginx");
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        command.env("PATH", path).arg("-c").arg(&file).arg("-p").arg(folder.path());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, port, _folder: folder };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not answer on port {port}");
    }

    /// URL of a file below the root.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The worker ends together with the master.
        let quit = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        if quit.is_ok_and(|it| it.success()) {
            let _ = self.process.wait();
        } else {
            stage::end(&mut self.process);
        }
    }
}
