"""Sites of other people, whose views send files: real applications for gunicorn.

Both have the same URLs: ``/send/PATH`` sends a file of ``GATEWAY_FILES``, with the
arguments of its query, and ``/named?location=`` names an internal location as any
application can.
"""
