#include "services/auth/errors.h"

static const struct {
    int status;
    const char *code, *message, *long_message, *param; /* long_message NULL: the same; param NULL: none */
} table[VK_AUTH_FAILS] = {
    [VK_AUTH_F_OK] = {200, "", "", NULL, NULL},
    [VK_AUTH_F_DEV_BROWSER] =
        {401, "dev_browser_unauthenticated", "Browser unauthenticated",
         "Unable to authenticate this browser for your development instance. Check your Clerk "
         "cookies and try again.",
         NULL},
    [VK_AUTH_F_NOT_SIGNED_IN] = {401, "authentication_invalid", "Invalid authentication",
                                 "Unable to authenticate the request, you need to supply an active session",
                                 NULL},
    [VK_AUTH_F_SECRET_KEY] =
        {401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid",
         "The provided Clerk Secret Key is invalid. Use the one that `valetkey env` prints "
         "for this build",
         NULL},
    [VK_AUTH_F_NOT_FOUND] = {404, "resource_not_found", "not found",
                             "No resource was found with the given id", NULL},
    [VK_AUTH_F_NO_SESSION] = {404, "resource_not_found", "Session not found",
                              "No session was found with the given id", NULL},
    [VK_AUTH_F_NO_ATTEMPT] = {404, "resource_not_found", "not found",
                              "No sign-up or sign-in of this browser was found with the given id", NULL},
    [VK_AUTH_F_HOST] = {404, "host_invalid", "Invalid host", "There is no build of that name", NULL},
    [VK_AUTH_F_FORM] =
        {400, "request_body_invalid", "Request body invalid",
         "The request's body cannot be read: bad encoding, a value that stands twice, or too many of them",
         NULL},
    [VK_AUTH_F_PARAM_FORMAT] = {422, "form_param_format_invalid", "is invalid",
                                "The value has a form that it cannot have", ""},
    [VK_AUTH_F_PARAM_MISSING] = {422, "form_param_missing", "is missing", "The value must be given", ""},
    [VK_AUTH_F_PARAM_UNKNOWN] = {422, "form_param_unknown", "is unknown",
                                 "This is not offered here. Leave it out.", ""},
    [VK_AUTH_F_EMAIL_FORMAT] = {422, "form_param_format_invalid", "is invalid",
                                "email_address must be a valid email address.", "email_address"},
    [VK_AUTH_F_IDENTIFIER_TAKEN] = {422, "form_identifier_exists",
                                    "That email address is taken. Please try another.", NULL,
                                    "email_address"},
    [VK_AUTH_F_EXTERNAL_ID_TAKEN] = {422, "form_identifier_exists",
                                     "That external id is taken. Please try another.", NULL, "external_id"},
    [VK_AUTH_F_IDENTIFIER_UNKNOWN] = {422, "form_identifier_not_found", "Couldn't find your account.", NULL,
                                      "identifier"},
    [VK_AUTH_F_PASSWORD_SHORT] = {422, "form_password_length_too_short",
                                  "Passwords must be 8 characters or more.", NULL, "password"},
    [VK_AUTH_F_PASSWORD_LONG] = {422, "form_password_size_in_bytes_exceeded",
                                 "Passwords must have 72 bytes or less.", NULL, "password"},
    [VK_AUTH_F_PASSWORD_WRONG] = {422, "form_password_incorrect",
                                  "Password is incorrect. Try again, or use another method.", NULL,
                                  "password"},
    [VK_AUTH_F_PASSWORD_CURRENT] = {422, "form_password_validation_failed", "Incorrect password", NULL,
                                    "current_password"},
    [VK_AUTH_F_PASSWORD_VERIFY] = {422, "incorrect_password", "Incorrect password",
                                   "The password is not this user's", "password"},
    [VK_AUTH_F_DIGEST] =
        {422, "form_param_value_invalid", "is invalid",
         "password_digest must be of the form that password_hasher names (argon2id, argon2i, bcrypt, "
         "pbkdf2_sha256 or pbkdf2_sha256_django), within usual costs.",
         "password_digest"},
    [VK_AUTH_F_NO_USER] = {404, "resource_not_found", "not found", "No user was found with the given id",
                           NULL},
    [VK_AUTH_F_NO_INVITATION] = {404, "resource_not_found", "not found",
                                 "No invitation was found with the given id", NULL},
    [VK_AUTH_F_NO_SIGN_IN_TOKEN] = {404, "resource_not_found", "not found",
                                    "No sign-in token was found with the given id", NULL},
    [VK_AUTH_F_NO_ADDRESS] = {404, "resource_not_found", "Resource not found",
                              "No email address was found with the given id", NULL},
    [VK_AUTH_F_NO_RESOURCE] = {422, "form_resource_not_found", "is missing",
                               "The resource associated with the supplied parameter was not found.", ""},
    [VK_AUTH_F_PARAM_VALUE] = {422, "form_param_value_invalid", "is invalid",
                               "The value does not match one of the allowed values for this parameter", ""},
    [VK_AUTH_F_PARAM_BESIDE] = {422, "form_conditional_param_disallowed", "is not allowed",
                                "This parameter isn't allowed beside another one that is present.", ""},
    [VK_AUTH_F_PARAM_WITH] = {422, "form_conditional_param_missing", "is missing",
                              "This parameter is required because of another one that is present.", ""},
    [VK_AUTH_F_PARAM_LARGE] =
        {422, "form_param_exceeds_allowed_size", "exceeds allowed size",
         "The value is larger than valetkey keeps: 64 KiB of each metadata object, 8 KiB of a sign-up's.",
         ""},
    [VK_AUTH_F_PARAM_MANY] = {422, "form_param_array_size_exceeded", "exceeds maximum size",
                              "There are more values than are allowed for this parameter.", ""},
    [VK_AUTH_F_PARAM_TWICE] = {422, "form_param_duplicate", "duplicate values",
                               "The parameter contains duplicate values", ""},
    [VK_AUTH_F_PARAM_TIME] = {422, "form_param_invalid_time", "invalid format",
                              "The parameter must contain a datetime specified in RFC3339 format (e.g. "
                              "`2022-10-20T10:00:27.645Z`) that has passed.",
                              ""},
    [VK_AUTH_F_DATA_MISSING] = {422, "form_data_missing", "missing data",
                                "The data doesn't match user requirements set for this instance: an email "
                                "address and a password (or skip_password_requirement)",
                                ""},
    [VK_AUTH_F_PAGE] = {422, "form_param_value_too_large", "Value too large",
                        "What would be listed is too large for one answer. Ask for fewer at a time.",
                        "limit"},
    [VK_AUTH_F_NO_REFRESH] = {401, "feature_not_enabled", "not enabled",
                              "Sessions are not refreshed by a token here. A handshake gives new ones.",
                              NULL},
    [VK_AUTH_F_NO_PASSWORD] = {400, "no_password_set", "no password set",
                               "This user does not have a password set for their account", NULL},
    [VK_AUTH_F_INVITED] =
        {400, "duplicate_record", "duplicate invitation",
         "There is already a pending invitation for this email address. Revoke it, or set ignore_existing.",
         "email_address"},
    [VK_AUTH_F_INVITATION_REVOKED_TWICE] = {400, "invitation_already_revoked",
                                            "Invitation is already revoked.", NULL, NULL},
    [VK_AUTH_F_INVITATION_ACCEPTED] = {400, "invitation_already_accepted",
                                       "Invitation is already accepted, try signing in instead.", NULL, NULL},
    [VK_AUTH_F_SIGN_IN_TOKEN_OVER] =
        {400, "sign_in_token_cannot_be_revoked_code", "cannot revoke",
         "Sign in token cannot be revoked because of its status. Only pending tokens can be revoked.", NULL},
    [VK_AUTH_F_CODE_WRONG] = {422, "form_code_incorrect", "is incorrect", "Incorrect code", "code"},
    [VK_AUTH_F_CODE_EXPIRED] = {422, "verification_expired", "has expired",
                                "The code has expired. Please ask for a new one.", "code"},
    [VK_AUTH_F_CODE_FAILED] = {422, "verification_failed", "has failed",
                               "Too many attempts with this code. Please ask for a new one.", "code"},
    [VK_AUTH_F_ALREADY_VERIFIED] = {422, "verification_already_verified", "is verified already",
                                    "This has already been verified", NULL},
    [VK_AUTH_F_STRATEGY] =
        {422, "form_param_value_invalid", "is invalid",
         "This strategy is not offered here. Use password, email_code or reset_password_email_code.",
         "strategy"},
    [VK_AUTH_F_REVERIFY] = {403, "session_reverification_required", "Additional verification required",
                            "You need to prove again who you are to do this. With password or e-mail code: "
                            "session.startVerification().",
                            NULL},
    [VK_AUTH_F_EMAILS_MANY] = {422, "email_addresses_exceeded", "Too many email addresses",
                               "You have as many email addresses as there may be. Remove one first.",
                               "email_address"},
    [VK_AUTH_F_EMAIL_LAST] = {400, "identification_deletion_failed", "Deletion failed",
                              "You cannot delete your last verified email address.", NULL},
    [VK_AUTH_F_EMAIL_PRIMARY] =
        {400, "primary_identification_deletion_failed", "Deletion failed",
         "You cannot delete your primary email address. Make another one the primary first.", NULL},
    [VK_AUTH_F_PRIMARY_UNVERIFIED] = {422, "form_param_value_invalid", "is invalid",
                                      "An email address must be verified before it can be the primary one.",
                                      "primary_email_address_id"},
    [VK_AUTH_F_NO_TEMPLATE] = {404, "resource_not_found", "JWT template not found",
                               "No JWT template exists with that name: valetkey has no templates. Use "
                               "getToken() without one.",
                               NULL},
    [VK_AUTH_F_SIGN_UP_OVER] = {422, "sign_up_cannot_be_updated", "cannot be updated",
                                "This sign-up is complete. Begin another one.", NULL},
    /* Codes and sentences: clerk.com/docs/guides/development/errors/frontend-api */
    [VK_AUTH_F_TICKET] = {400, "ticket_invalid_code", "ticket is invalid",
                          "This ticket is invalid. Ask for a new one.", "ticket"},
    [VK_AUTH_F_TICKET_EXPIRED] = {400, "ticket_expired_code", "ticket has expired",
                                  "This ticket has expired and cannot be used anymore.", "ticket"},
    [VK_AUTH_F_TICKET_NOT_HERE] = {400, "sign_in_token_not_in_sign_in_code", "not in sign in",
                                   "Sign in tokens can only be used during sign in.", "ticket"},
    [VK_AUTH_F_TOKEN_USED] = {400, "sign_in_token_already_used_code", "sign in token has already been used",
                              "This sign in token has already been used. Each token can only be used once.",
                              "ticket"},
    [VK_AUTH_F_TOKEN_REVOKED] = {400, "sign_in_token_revoked_code", "sign in token has been revoked",
                                 "This sign in token has been revoked and cannot be used anymore.", "ticket"},
    [VK_AUTH_F_INVITATION_USED] = {400, "invitation_already_accepted", "invitation has already been accepted",
                                   "This invitation has already been accepted. Sign in instead.", "ticket"},
    [VK_AUTH_F_INVITATION_REVOKED] = {400, "revoked_invitation", "invitation has been revoked",
                                      "This invitation has been revoked and cannot be used anymore.",
                                      "ticket"},
    [VK_AUTH_F_INVITATION_NOBODY] = {400, "invitation_account_not_exists", "no account yet",
                                     "The address of this invitation has no account yet. Sign up instead.",
                                     "ticket"},
    [VK_AUTH_F_USER_LOCKED] = {403, "user_locked", "Account locked",
                               "Your account is locked after too many attempts. Please try again later.",
                               NULL},
    [VK_AUTH_F_USER_BANNED] = {403, "user_banned", "Account banned", "This account has been banned.", NULL},
    [VK_AUTH_F_REDIRECT] = {400, "redirect_url_invalid", "redirect_url is not allowed",
                            "redirect_url is not of an origin of this build. Add it: valetkey build origins",
                            NULL},
    [VK_AUTH_F_ORIGIN] =
        {400, "origin_invalid", "Invalid HTTP Origin header",
         "The Request HTTP Origin header must be one of this build's origins. Add it: valetkey "
         "build origins",
         NULL},
    [VK_AUTH_F_TOO_MANY] = {429, "too_many_requests", "Too many requests",
                            "Too many requests. Please try again in a bit.", NULL},
    [VK_AUTH_F_UNSUPPORTED] =
        {501, "not_supported", "Not supported by valetkey",
         "This is not supported by valetkey. What is supported: docs/SUPPORTED-CALLS.md", NULL},
    [VK_AUTH_F_FULL] =
        {507, "storage_full", "Storage full",
         "There is no space left for the users of this build: its disk is full, or they take 4 "
         "GiB. Nothing was changed.",
         NULL},
    [VK_AUTH_F_INTERNAL] = {500, "internal_clerk_error", "Something went wrong",
                            "The request could not be done. Please try again.", NULL},
};

int vk_auth_fail_status(vk_auth_fail why)
{
    return table[why].status;
}

const char *vk_auth_fail_code(vk_auth_fail why)
{
    return table[why].code;
}

const char *vk_auth_fail_text(vk_auth_fail why)
{
    return table[why].long_message ? table[why].long_message : table[why].message;
}

void vk_auth_fail_write(vk_jw *w, vk_auth_fail why, vk_str param, vk_str trace, vk_str client)
{
    if (!param.n && table[why].param)
        param = vk_str_z(table[why].param);
    vk_jw_obj(w);
    vk_jw_key(w, VK_STR("errors"));
    vk_jw_arr(w);
    vk_jw_obj(w);
    vk_jw_kstr(w, "code", vk_str_z(table[why].code));
    vk_jw_kstr(w, "message", vk_str_z(table[why].message));
    vk_jw_kstr(w, "long_message", vk_str_z(vk_auth_fail_text(why)));
    if (param.n) {
        vk_jw_key(w, VK_STR("meta"));
        vk_jw_obj(w);
        vk_jw_kstr(w, "param_name", param);
        vk_jw_obj_end(w);
    }
    vk_jw_obj_end(w);
    vk_jw_arr_end(w);
    vk_jw_kstr(w, "clerk_trace_id", trace);
    if (client.n) {
        vk_jw_key(w, VK_STR("meta"));
        vk_jw_obj(w);
        vk_jw_key(w, VK_STR("client"));
        vk_jw_raw(w, client);
        vk_jw_obj_end(w);
    }
    vk_jw_obj_end(w);
}

void vk_auth_fail_write_as(vk_jw *w, const char *code, const char *text, vk_str trace)
{
    vk_jw_obj(w);
    vk_jw_key(w, VK_STR("errors"));
    vk_jw_arr(w);
    vk_jw_obj(w);
    vk_jw_kstr(w, "code", vk_str_z(code));
    vk_jw_kstr(w, "message", vk_str_z(text));
    vk_jw_kstr(w, "long_message", vk_str_z(text));
    vk_jw_obj_end(w);
    vk_jw_arr_end(w);
    vk_jw_kstr(w, "clerk_trace_id", trace);
    vk_jw_obj_end(w);
}
