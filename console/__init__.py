"""The control room: live alarms and values over a WebSocket, commands and queries over HTTP, users, sessions."""
