"""SIP messages: RFC 3261 7, 18.3, 19, 20.

A message keeps each header field byte for byte.  Names are parsed once, on arrival; a value is
parsed only where it is needed.  Fields that are not changed are forwarded untouched.
"""
