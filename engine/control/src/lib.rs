//! Requests and replies of the control socket, its server and its client.
