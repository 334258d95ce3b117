"""What a SIP message is: RFC 3261 7, 18.3, 19, 20.

A message keeps the bytes of each header field as they came.  Fields are indexed once by name; a
value is parsed where it is needed and nowhere else, and what is not changed goes out untouched.
"""
