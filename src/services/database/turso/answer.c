#include "services/database/turso/turso.h"

static const char NAME[] = "base_url", NOTHING[] = "null";
enum { NAME_N = sizeof NAME - 1, NOTHING_N = sizeof NOTHING - 1, TOP = 1 };
enum { PASS, TAKE_STRING, TAKE_OTHER };

/* A byte of a value that is taken out. */
static char instead(vk_db_answer *s)
{
    return s->kept < NOTHING_N ? NOTHING[s->kept++] : ' ';
}

static void begin_string(vk_db_answer *s)
{
    s->string = true;
    s->escape = s->odd = false;
    s->at = 0;
    s->key = s->depth == TOP && !s->value;
}

/* Within the name of a member at the top. One with an escape could be any name. */
static void in_name(vk_db_answer *s, char c)
{
    if (s->escape || c == '\\')
        s->odd = true;
    s->at = s->at < NAME_N && c == NAME[s->at] ? (uint8_t)(s->at + 1) : (uint8_t)(NAME_N + 1);
}

/* `c` is a byte of a string; true: its last. */
static bool string_ends(vk_db_answer *s, char c)
{
    if (s->escape)
        s->escape = false;
    else if (c == '\\')
        s->escape = true;
    else if (c == '"')
        return !(s->string = false);
    return false;
}

static char other_value(vk_db_answer *s, char c)
{
    /* null, true, 12: as it is, since it leads nowhere; what is none of these ends at the same places */
    if (c == ',' || c == '}') {
        s->state = PASS;
        s->value = false;
        s->depth -= c == '}';
    } else if (c == '{' || c == '[') {
        s->state = PASS; /* no address either */
        s->depth++;
    }
    return c;
}

static char take(vk_db_answer *s, char c)
{
    if (s->state == TAKE_STRING) {
        if (string_ends(s, c))
            s->state = PASS;
        return instead(s);
    }
    if (s->state == TAKE_OTHER && c == '"') {
        s->state = TAKE_STRING;
        s->string = true;
        s->escape = false;
        s->kept = 0;
        return instead(s);
    }
    return s->state == TAKE_OTHER && c != ' ' && c != '\t' && c != '\r' && c != '\n' ? other_value(s, c) : c;
}

static void pass(vk_db_answer *s, char c)
{
    if (s->string) {
        bool name = s->key;
        if (string_ends(s, c)) {
            s->key = name && (s->at == NAME_N || s->odd); /* its value is to be taken out */
            return;
        }
        if (name)
            in_name(s, c);
        return;
    }
    switch (c) {
    case '"':
        begin_string(s);
        break;
    case ':':
        if (s->depth == TOP) {
            s->value = true;
            s->state = s->key ? TAKE_OTHER : PASS;
        }
        break;
    case ',':
        s->value = s->depth == TOP ? false : s->value;
        break;
    case '{':
    case '[':
        s->depth++;
        break;
    case '}':
    case ']':
        s->depth -= s->depth > 0;
        break;
    case '\n': /* a cursor's answer is one value a line */
        if (s->depth == 0)
            s->value = s->key = false;
        break;
    default:
        break;
    }
    if (s->depth == 0)
        s->value = false;
}

void vk_db_answer_pass(vk_db_answer *s, char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s->state != PASS)
            bytes[i] = take(s, bytes[i]);
        else
            pass(s, bytes[i]);
    }
}
