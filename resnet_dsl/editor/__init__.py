"""What an editor asks of a text: functions of texts and places; `server.py` alone speaks the protocol."""
